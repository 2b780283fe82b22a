/* SPDX-License-Identifier: Apache-2.0 */
/* Names that are looked up: look-ups that hang and that nobody waits for any more; what a failure tells; when no thread can be
 * had; what does not add up among those that wait. */
#include <dlfcn.h>
#include <netdb.h>

#include "broken.h"
#include "need.h"

#include "io/lookup.h"

/* ---- a resolver ---- */

static stubborn hung, hung_alone;

/* In the place of the C library's: some names take until they are let go, some fail in a certain way. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
        static const struct {
                const char *name;
                int code, error;
        } failing[] = {{"none.example", EAI_NONAME, 0},
                       {"again.example", EAI_AGAIN, 0},
                       {"fail.example", EAI_FAIL, 0},
                       {"memory.example", EAI_MEMORY, 0},
                       {"io.example", EAI_SYSTEM, EIO}};
        int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        if (!host || hints->ai_flags & AI_NUMERICHOST)
                return real(host, service, hints, list);
        for (size_t i = 0; i < COUNT(failing); i++)
                if (strcmp(host, failing[i].name) == 0) {
                        errno = failing[i].error;
                        return failing[i].code;
                }
        if (strcmp(host, "hung.example") == 0)
                stubborn_stay(&hung);
        if (strcmp(host, "alone.example") == 0)
                stubborn_stay(&hung_alone);
        if (strcmp(host, "hung.example") == 0 || strcmp(host, "alone.example") == 0 ||
            strcmp(host, "good.example") == 0)
                host = "127.0.0.1";
        return real(host, service, hints, list);
}

static bool nobody_looks_up(void)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->fd_lock);
        const bool nobody = !w->lookup_threads && !w->lookups_given_up && rn_list_empty(&w->lookups);
        rn_lock_give(&w->fd_lock);
        return nobody;
}

static int find(const char *host)
{
        rein_addr a;
        const bool good = strcmp(host, "good.example") == 0;
        return rein_addr_find(-1, host, "9", &a, good ? rein_after(REIN_SEC(8)) : REIN_NEVER);
}

static int look_up_hung(void *arg)
{
        (void)arg;
        return find("hung.example");
}

static int look_up_good(void *code)
{
        *(int *)code = find("good.example");
        const char *text = rein_error_text(rein_trail());
        return *(int *)code == 0 || *(int *)code == REIN_ECANCELED ||
                               strstr(text, "host 'good.example', service '9': too many look-ups hang")
                       ? 0
                       : -EPROTO;
}

enum { AT_ONCE = RN_LOOKUPS_AT_ONCE, SPARED = RN_LOOKUPS_GIVEN_UP, ALL = AT_ONCE + SPARED };

/* What fails leaves look-ups that hang to the tests that follow: there is no point in those then. */
static void runs(rein_fn fn)
{
        if (rein_run(fn, NULL, NULL) < 0) {
                rein_error_print(stderr, rein_trail());
                _exit(1);
        }
        stubborn_let_go(&hung, hung.inside);
        EVENTUALLY(nobody_looks_up());
}

/* ---- look-ups that hang ---- */

/* So many more hang on threads of their own, for callers in g. */
static int hang(rein_group *g, int more)
{
        const int before = hung.inside;
        const rein_time limit = rein_after(REIN_SEC(8));
        for (int i = 0; i < more; i++)
                rein_spawn(g, NULL, look_up_hung, NULL, NULL);
        while (hung.inside < before + more)
                NEED(rein_sleep(rein_after(REIN_MS(1))) == 0 && rein_now().ns < limit.ns);
        return 0;
}

static int leave_them(rein_group *g)
{
        rein_group_cancel(g, "nobody waits any longer");
        const int rc = rein_group_close(g, 0);
        return rc == REIN_ESTOPPED ? 0 : rc;
}

static int hang_and_leave(void *arg)
{
        (void)arg;
        rein_group g, waits;
        int code = 0;
        for (int left = 0; left < SPARED; left += AT_ONCE) {
                rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
                NEED(hang(&g, AT_ONCE) == 0);
                rein_spawn(&g, NULL, look_up_good, &code, NULL);
                NEED(rein_sleep(REIN_NOWAIT) == 0); /* it stands in the queue, and leaves it */
                NEED(leave_them(&g) == 0);
                NEED(find("good.example") == 0);
        }
        rein_group_open(&waits, REIN_GROUP(.policy = REIN_EACH));
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        NEED(hang(&g, AT_ONCE) == 0);
        NEED(rn_world_now()->lookup_threads == ALL && rn_world_now()->lookups_given_up == SPARED);
        code = 1;
        rein_future *f = rein_spawn_future(&waits, NULL, look_up_good, &code, NULL);
        NEED(rein_sleep(REIN_NOWAIT) == 0 && code == 1); /* it stands in the queue: others may still wait for those */
        NEED(leave_them(&g) == 0);
        NEED(rein_await(f, NULL, REIN_NEVER) == 0 && code == -EAGAIN);
        NEED(rein_group_close(&waits, 0) == 0);
        NEED(look_up_good(&code) == 0 && code == -EAGAIN); /* at once */
        NEED(find("127.0.0.1") == 0);                      /* it needs no look-up */
        return 0;
}

static void test_look_ups_that_nobody_waits_for_do_not_hold_up_others(void **state)
{
        (void)state;
        stubborn_init(&hung);
        runs(hang_and_leave);
        assert_int_equal(hung.left, ALL);
        assert_int_equal(find("good.example"), 0); /* as before */
}

static int look_up_alone(void *arg)
{
        (void)arg;
        return find("alone.example");
}

/* One ends that was given up, while the lane is full with others: its thread does not come on top of them. */
static int one_comes_back(void *arg)
{
        (void)arg;
        rein_group g, first;
        int code = 1;
        rein_group_open(&first, REIN_GROUP(.policy = REIN_EACH));
        rein_spawn(&first, NULL, look_up_alone, NULL, NULL);
        while (!hung_alone.inside)
                NEED(rein_sleep(rein_after(REIN_MS(1))) == 0);
        NEED(leave_them(&first) == 0);
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        NEED(hang(&g, AT_ONCE) == 0);
        rein_spawn(&g, NULL, look_up_good, &code, NULL);
        NEED(rein_sleep(REIN_NOWAIT) == 0);
        NEED(rn_world_now()->lookup_threads == AT_ONCE + 1);
        stubborn_let_go(&hung_alone, 1);
        for (uint32_t threads = AT_ONCE + 1; threads > AT_ONCE;) {
                rn_world *w = rn_world_now();
                NEED(rein_sleep(rein_after(REIN_MS(1))) == 0 && code == 1);
                rn_lock_take(&w->fd_lock);
                threads = w->lookup_threads;
                rn_lock_give(&w->fd_lock);
        }
        stubborn_let_go(&hung, AT_ONCE);
        while (code == 1)
                NEED(rein_sleep(rein_after(REIN_MS(1))) == 0);
        NEED(rein_group_close(&g, 0) == 0 && code == 0);
        return 0;
}

static void test_one_that_comes_back_makes_no_room(void **state)
{
        (void)state;
        stubborn_init(&hung);
        stubborn_init(&hung_alone);
        runs(one_comes_back);
}

/* ---- the next one gets no thread ---- */

static atomic_bool no_thread;

/* While others hang that are waited for, it waits for those. */
static int next_without_a_thread(void *arg)
{
        (void)arg;
        rein_group g, first;
        int code = 1;
        rein_group_open(&g, REIN_GROUP(.policy = REIN_EACH));
        NEED(hang(&g, AT_ONCE - 1) == 0);
        rein_group_open(&first, REIN_GROUP(.policy = REIN_EACH));
        NEED(hang(&first, 1) == 0);
        rein_spawn(&g, NULL, look_up_good, &code, NULL);
        NEED(rein_sleep(REIN_NOWAIT) == 0);
        no_thread = true;
        NEED(leave_them(&first) == 0);
        no_thread = false;
        NEED(code == 1 && !rn_list_empty(&rn_world_now()->lookups));
        stubborn_let_go(&hung, AT_ONCE);
        NEED(rein_group_close(&g, 0) == 0 && code == 0);
        return 0;
}

static void test_the_next_in_the_queue_may_get_no_thread(void **state)
{
        (void)state;
        stubborn_init(&hung);
        runs(next_without_a_thread);
}

/* ---- what a failure tells ---- */

enum { CALLS = 5 };

static int call(int which, const char *host)
{
        switch (which) {
        case 0:
                return rein_listen(host, "9", 1);
        case 1:
                return rein_connect(host, "9", REIN_NEVER);
        case 2:
                return rein_udp_bind(host, "9");
        case 3:
                return rein_udp_connect(host, "9", REIN_NEVER);
        default:
                return find(host);
        }
}

static int failures(void *arg)
{
        static const struct {
                const char *host;
                int code, reason;
        } known[] = {{"none.example", -EADDRNOTAVAIL, EAI_NONAME},
                     {"again.example", -EAGAIN, EAI_AGAIN},
                     {"fail.example", -EADDRNOTAVAIL, EAI_FAIL},
                     {"memory.example", -ENOMEM, EAI_MEMORY},
                     {"io.example", -EIO, EAI_SYSTEM}};
        (void)arg;
        for (size_t i = 0; i < COUNT(known); i++)
                for (int which = 0; which < CALLS; which++) {
                        char text[128];
                        const int rc = call(which, known[i].host);
                        snprintf(text, sizeof text, "host '%s', service '9': %s", known[i].host,
                                 known[i].reason == EAI_SYSTEM ? strerrordesc_np(EIO) : gai_strerror(known[i].reason));
                        NEED(rc == known[i].code && rein_error_code(rein_trail()) == rc);
                        NEED(strcmp(rein_error_text(rein_trail()), text) == 0);
                        NEED(!rein_error_cause(rein_trail()));
                }
        return 0;
}

static void test_a_failure_tells_host_service_and_reason(void **state)
{
        (void)state;
        int rc = rein_run(failures, NULL, NULL);
        if (rc == 0)
                rc = failures(NULL);
        if (rc < 0)
                rein_error_print(stderr, rein_trail());
        assert_int_equal(rc, 0);
        EVENTUALLY(nobody_looks_up());
}

/* ---- no thread can be had ---- */

static atomic_int asked;
static atomic_bool refuse;

static bool a_name_waits(void)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->fd_lock);
        const bool waits = !rn_list_empty(&w->lookups);
        rn_lock_give(&w->fd_lock);
        return waits;
}

/* Both have been counted before one of them is refused its thread; and that one relies on the other before the other is. */
static uint32_t refuse_both(uint32_t n, rn_choice kind)
{
        (void)n;
        bool in_turn = false;
        if (kind == RN_CHOOSE_THREAD && no_thread)
                return 1;
        if (kind != RN_CHOOSE_THREAD || !refuse)
                return 0;
        if (atomic_fetch_add(&asked, 1) == 0)
                COMES_TRUE(asked == 2, in_turn);
        else
                COMES_TRUE(a_name_waits(), in_turn);
        return in_turn;
}

static void *look_up(void *arg)
{
        int *rc = arg;
        rein_time until = rein_after(REIN_SEC(20));
        *rc = rein_connect("a.name.that.is.none", "80", until);
        return NULL;
}

static void test_a_name_that_relies_on_a_thread_that_cannot_be_had_is_told(void **state)
{
        (void)state;
        int rc[2] = {0, 0};
        pthread_t t[2];
        refuse = true;
        for (int i = 0; i < 2; i++)
                t[i] = go(look_up, &rc[i]);
        for (int i = 0; i < 2; i++)
                join(t[i]);
        refuse = false;
        assert_int_equal(asked, 2);
        assert_int_equal(rc[0], -EAGAIN);
        assert_int_equal(rc[1], -EAGAIN);
        assert_int_equal(rn_world_now()->lookup_threads, 0);
        assert_false(a_name_waits());
}

/* ---- does it add up? ---- */

static rn_world made;
static rn_lookup made_lookup[2];

static void make(void)
{
        made.lookup_threads = RN_LOOKUPS_AT_ONCE + 1;
        made.lookups_given_up = 1;
        rn_list_init(&made.lookups);
        for (int i = 0; i < 2; i++) {
                made_lookup[i] = (rn_lookup){
                        .promise = (rein_promise *)(void *)&made, .service = made_lookup[i].host, .shares = 2};
                rn_list_push(&made.lookups, &made_lookup[i].link);
        }
}

static const char *ask(void)
{
        return rn_lookups_wrong(&made);
}

static void too_many_threads(void)
{
        made.lookup_threads++;
}

static void the_list_is_torn(void)
{
        broken_list(&made_lookup[0].link);
}

static void no_thread_is_there(void)
{
        made.lookup_threads = made.lookups_given_up = 0;
}

static void those_there_are_hang(void)
{
        made.lookups_given_up = made.lookup_threads = RN_LOOKUPS_AT_ONCE;
}

static void more_were_given_up(void)
{
        made.lookups_given_up = made.lookup_threads + 1;
}

static void too_many_were_given_up(void)
{
        made.lookup_threads = RN_LOOKUPS_AT_ONCE + RN_LOOKUPS_GIVEN_UP + 1;
        made.lookups_given_up = RN_LOOKUPS_GIVEN_UP + 1;
}

static void one_that_is_done_waits(void)
{
        made_lookup[1].state = RN_LOOKUP_DONE;
}

static void one_whose_caller_has_left_waits(void)
{
        made_lookup[1].shares = 1;
}

static void for_nobody(void)
{
        made_lookup[1].promise = NULL;
}

static void for_no_service(void)
{
        made_lookup[1].service = NULL;
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {too_many_threads, "more threads look up names than may"},
                {the_list_is_torn, broken_links},
                {no_thread_is_there, "a name waits to be looked up, and no thread is there"},
                {those_there_are_hang, "a name waits to be looked up, and no thread is there"},
                {more_were_given_up, "more look-ups were given up than there are threads for them"},
                {too_many_were_given_up, "more threads look up names than may"},
                {one_that_is_done_waits, "a name is to be looked up for nobody"},
                {one_whose_caller_has_left_waits, "a name is to be looked up for nobody"},
                {for_nobody, "a name is to be looked up for nobody"},
                {for_no_service, "a name is to be looked up for nobody"},
        };
        broken_each(make, ask, ways, COUNT(ways));
}

static void a_name_waits_for_no_thread(void)
{
        broken_push(&rn_world_now()->lookups, &made_lookup[0].link);
}

static void test_a_simulation_finds_a_name_that_waits_for_no_thread(void **state)
{
        (void)state;
        static const broken_way way = {a_name_waits_for_no_thread,
                                       "does not add up: a name waits to be looked up, and no thread is there"};
        broken_in_a_simulation(NULL, &way, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_look_ups_that_nobody_waits_for_do_not_hold_up_others),
                cmocka_unit_test(test_one_that_comes_back_makes_no_room),
                cmocka_unit_test(test_the_next_in_the_queue_may_get_no_thread),
                cmocka_unit_test(test_a_failure_tells_host_service_and_reason),
                cmocka_unit_test(test_a_name_that_relies_on_a_thread_that_cannot_be_had_is_told),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
                cmocka_unit_test(test_a_simulation_finds_a_name_that_waits_for_no_thread),
        };
        rn_choose_by(refuse_both);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
