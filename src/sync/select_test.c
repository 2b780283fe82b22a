/* SPDX-License-Identifier: Apache-2.0 */
/* Select: each kind of case, and that exactly one of them happens. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "broken.h"
#include "core/future.h"
#include "members.h"
#include "sync/chan.h"
#include "sync/select.h"

static atomic_bool no_descriptors;

static uint32_t refuse(uint32_t n, rn_choice kind)
{
        return kind == RN_CHOOSE_FD ? atomic_load(&no_descriptors) : support_choose(n, kind);
}

typedef struct choice {
        rein_case *cases;
        size_t n;
} choice;

static int select_them(member *m)
{
        const choice *c = m->object;
        return rein_select(c->cases, c->n, m->until);
}

static int select_now(void *arg)
{
        const choice *c = arg;
        return rein_select(c->cases, c->n, REIN_NOWAIT);
}

static void test_nothing_of_a_select_stays_with_its_futures(void **state)
{
        (void)state;
        rein_promise *p[3];
        rein_future *f[3];
        rein_case cases[3];
        for (size_t i = 0; i < COUNT(p); i++) {
                assert_non_null(p[i] = rein_promise_new(&f[i]));
                cases[i] = (rein_case){.kind = REIN_CASE_SETTLED, .future = f[i]};
        }
        assert_int_equal(rein_select(cases, COUNT(cases), rein_after(REIN_MS(1))), REIN_ETIMEOUT);
        for (size_t i = 0; i < COUNT(p); i++) {
                assert_true(rn_list_empty(&f[i]->watchers));
                rein_promise_keep(p[i], NULL, NULL);
                rein_promise_drop(p[i]);
                rein_drop(f[i]);
        }
}

static void test_what_can_happen_at_entry_the_lowest_index(void **state)
{
        (void)state;
        int in = 0, out = 7;
        gate g = gate_new();
        rein_chan *full = rein_chan_new(sizeof(int), 1, NULL), *empty = rein_chan_new(sizeof(int), 1, NULL);
        assert_int_equal(rein_chan_send(full, &(int){3}, REIN_NOWAIT), 0);
        rein_case cases[] = {REIN_ON_SETTLED(g.open),  REIN_ON_RECV(empty, &in),
                             REIN_ON_SEND(full, &out), REIN_ON_TIME(rein_after(REIN_SEC(1000))),
                             {.kind = REIN_CASE_NONE}, REIN_ON_RECV(full, &in),
                             REIN_ON_SEND(empty, &out)};
        const size_t n = COUNT(cases);
        assert_int_equal(rein_select(cases, 5, REIN_NOWAIT), REIN_ETIMEOUT);
        assert_int_equal(rein_select(cases, n, REIN_NOWAIT), 5);
        assert_int_equal(cases[5].result, 1);
        assert_int_equal(in, 3);
        assert_int_equal(rein_select(cases, n, REIN_NEVER), 2); /* there is room now */
        assert_int_equal(cases[2].result, 0);
        assert_int_equal(rein_select(cases, n, REIN_NEVER), 5);
        assert_int_equal(in, 7);
        cases[3] = (rein_case)REIN_ON_TIME(rein_now());
        cases[2].kind = REIN_CASE_NONE;
        assert_int_equal(rein_select(cases, n, REIN_NEVER), 3);
        gate_open(&g);
        assert_int_equal(rein_select(cases, n, REIN_NEVER), 0);
        assert_int_equal(cases[0].result, 0);
        cases[0].kind = REIN_CASE_NONE;
        rein_chan_close(empty);
        assert_int_equal(rein_select(cases, n, REIN_NEVER), 1);
        assert_int_equal(cases[1].result, 0); /* closed */
        assert_int_equal(rein_select(&cases[6], 1, REIN_NEVER), 0);
        assert_int_equal(cases[6].result, -EPIPE);
        assert_int_equal(rein_select(NULL, 0, REIN_NOWAIT), REIN_ETIMEOUT);
        rein_chan_free(full);
        rein_chan_free(empty);
        gate_free(&g);
}

static void test_each_kind_ends_the_wait(void **state)
{
        (void)state;
        for (int form = 0; form < MIXED; form++) {
                for (int which = 0; which < 6; which++) {
                        int in = 0, out = 8, ends[2];
                        gate g = gate_new();
                        rein_chan *a = rein_chan_new(sizeof(int), 0, NULL), *b = rein_chan_new(sizeof(int), 0, NULL);
                        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
                        rein_case cases[] = {REIN_ON_SETTLED(g.open), REIN_ON_RECV(a, &in), REIN_ON_SEND(b, &out),
                                             REIN_ON_FD(ends[0], POLLIN),
                                             REIN_ON_TIME(which == 4 ? rein_after(REIN_MS(20)) : REIN_NEVER)};
                        choice c = {cases, COUNT(cases)};
                        member m = {.call = select_them, .object = &c};
                        if (which == 5)
                                m.until = rein_after(REIN_MS(20));
                        member_in_line(&m, crew_of(form, 0), "rein_select");
                        if (which == 0)
                                gate_open(&g);
                        else if (which == 1)
                                assert_int_equal(rein_chan_send(a, &(int){6}, rein_after(REIN_SEC(20))), 0);
                        else if (which == 2)
                                assert_int_equal(rein_chan_recv(b, &in, rein_after(REIN_SEC(20))), 1);
                        else if (which == 3)
                                assert_int_equal(write(ends[1], "x", 1), 1);
                        assert_int_equal(member_end(&m), which == 5 ? REIN_ETIMEOUT : which);
                        assert_int_equal(in, which == 1 ? 6 : which == 2 ? 8 : 0);
                        if (which < 5)
                                assert_int_equal(cases[which].result, which == 1 ? 1 : which == 3 ? POLLIN : 0);
                        assert_int_equal(rein_chan_recv(b, &in, REIN_NOWAIT), REIN_ETIMEOUT); /* nobody is left */
                        assert_int_equal(rein_chan_send(a, &in, REIN_NOWAIT), REIN_ETIMEOUT);
                        rein_chan_free(a);
                        rein_chan_free(b);
                        close(ends[0]);
                        close(ends[1]);
                        gate_free(&g);
                }
        }
}

static void test_a_select_stands_in_each_line_like_everybody(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                rein_chan *a = rein_chan_new(sizeof(int), 0, NULL), *b = rein_chan_new(sizeof(int), 0, NULL);
                int in[3] = {0};
                rein_case cases[3][2];
                choice c[3];
                member m[3];
                for (int i = 0; i < 3; i++) {
                        cases[i][0] = (rein_case)REIN_ON_RECV(a, &in[i]);
                        cases[i][1] = (rein_case)REIN_ON_RECV(b, &in[i]);
                        c[i] = (choice){cases[i], 2};
                        m[i] = (member){.call = select_them, .object = &c[i], .number = i};
                        member_in_line(&m[i], crew_of(form, i), "rein_select");
                }
                assert_int_equal(rein_chan_send(b, &(int){1}, REIN_NOWAIT), 0); /* the first one's, of both lines */
                assert_int_equal(rein_chan_send(a, &(int){2}, REIN_NOWAIT), 0);
                rein_cancel(m[2].future, "it is not needed");
                assert_int_equal(member_end(&m[2]), REIN_ECANCELED);
                assert_int_equal(rein_chan_send(a, &(int){3}, REIN_NOWAIT), REIN_ETIMEOUT);
                assert_int_equal(member_end(&m[0]), 1);
                assert_int_equal(member_end(&m[1]), 0);
                assert_int_equal(in[0], 1);
                assert_int_equal(in[1], 2);
                assert_int_equal(in[2], 0);
                rein_chan_free(a);
                rein_chan_free(b);
        }
}

static void test_it_does_not_meet_itself(void **state)
{
        (void)state;
        for (int form = 0; form < MIXED; form++) {
                rein_chan *c = rein_chan_new(sizeof(int), 0, NULL);
                int in = 0;
                rein_case cases[] = {REIN_ON_SEND(c, &(int){1}), REIN_ON_RECV(c, &in)};
                choice both = {cases, 2};
                member m = {.call = select_them, .object = &both};
                assert_int_equal(rein_select(cases, 2, REIN_NOWAIT), REIN_ETIMEOUT);
                member_in_line(&m, crew_of(form, 0), "rein_select");
                assert_int_equal(rein_select(cases, 2, REIN_NEVER), 0); /* but another one */
                assert_int_equal(member_end(&m), 1);
                assert_int_equal(in, 1);
                rein_chan_free(c);
        }
}

static void test_several_descriptors(void **state)
{
        (void)state;
        for (int form = 0; form < MIXED; form++) {
                for (int which = 0; which < 4; which++) {
                        int ends[3][2];
                        rein_case cases[3];
                        for (int i = 0; i < 3; i++) {
                                assert_int_equal(pipe2(ends[i], O_CLOEXEC), 0);
                                cases[i] = (rein_case)REIN_ON_FD(ends[i][0], POLLIN);
                        }
                        choice c = {cases, 3};
                        assert_int_equal(rein_select(cases, 3, REIN_NOWAIT), REIN_ETIMEOUT);
                        member m = {.call = select_them, .object = &c};
                        member_in_line(&m, crew_of(form, 0), "rein_select");
                        if (which < 3)
                                assert_int_equal(write(ends[which][1], "x", 1), 1);
                        else
                                assert_int_equal(rein_close(ends[1][0]), 0);
                        assert_int_equal(member_end(&m), which < 3 ? which : 1);
                        assert_int_equal(cases[which < 3 ? which : 1].result, which < 3 ? POLLIN : -EBADF);
                        if (which < 3) {
                                assert_int_equal(rein_select(cases, 3, REIN_NOWAIT), which);
                                assert_int_equal(rein_on(crew_of(form, 0), select_now, &c, NULL), which);
                        }
                        for (int i = 0; i < 3; i++) {
                                if (which < 3 || i != 1)
                                        close(ends[i][0]);
                                close(ends[i][1]);
                        }
                }
        }
}

/* No descriptor is made for it, but the one by which a thread is woken, once. */
static void test_several_descriptors_at_the_limit_of_descriptors(void **state)
{
        (void)state;
        for (int form = 0; form < MIXED; form++) {
                for (int which = 0; which < 6; which++) {
                        int ends[2][2];
                        gate g = gate_new();
                        rein_executor *x =
                                form == THREADS ? rein_pool_new(REIN_POOL(.threads = 1)) : rein_loop_new(NULL);
                        for (int i = 0; i < 2; i++)
                                assert_int_equal(pipe2(ends[i], O_CLOEXEC), 0);
                        rein_case cases[] = {REIN_ON_FD(ends[0][0], POLLIN), REIN_ON_FD(ends[1][0], POLLIN),
                                             REIN_ON_SETTLED(g.open),
                                             REIN_ON_TIME(which == 3 ? rein_after(REIN_MS(20)) : REIN_NEVER)};
                        choice c = {cases, COUNT(cases)};
                        member m = {.call = select_them, .object = &c};
                        if (which == 4)
                                m.until = rein_after(REIN_MS(20));
                        atomic_store(&no_descriptors, true);
                        member_in_line(&m, x, "rein_select");
                        if (which < 2)
                                assert_int_equal(write(ends[which][1], "x", 1), 1);
                        else if (which == 2)
                                gate_open(&g);
                        else if (which == 5)
                                rein_cancel(m.future, "it is not needed");
                        assert_int_equal(member_end(&m), which < 4    ? which
                                                         : which == 4 ? REIN_ETIMEOUT
                                                                      : REIN_ECANCELED);
                        atomic_store(&no_descriptors, false);
                        rein_executor_free(x);
                        for (int i = 0; i < 2; i++) {
                                close(ends[i][0]);
                                close(ends[i][1]);
                        }
                        gate_free(&g);
                }
        }
}

/* More than are polled on the stack. */
static void test_many_descriptors(void **state)
{
        (void)state;
        enum { MOST = 20 };
        int ends[MOST][2];
        rein_case cases[MOST];
        for (int i = 0; i < MOST; i++) {
                assert_int_equal(pipe2(ends[i], O_CLOEXEC), 0);
                cases[i] = (rein_case)REIN_ON_FD(ends[i][0], POLLIN);
        }
        for (int n = 7; n <= MOST; n++) {
                char byte;
                choice all = {cases, (size_t)n};
                member m = {.call = select_them, .object = &all};
                member_in_line(&m, crew_of(n % MIXED, 0), "rein_select");
                assert_int_equal(write(ends[n - 1][1], "x", 1), 1);
                assert_int_equal(member_end(&m), n - 1);
                assert_int_equal(cases[n - 1].result, POLLIN);
                assert_int_equal(rein_select(cases, (size_t)n, REIN_NOWAIT), n - 1);
                assert_int_equal(read(ends[n - 1][0], &byte, 1), 1);
        }
        support_fail_at = 2; /* the first is for the cases */
        assert_int_equal(rein_select(cases, MOST, REIN_NOWAIT), -ENOMEM);
        assert_int_equal(support_fail_at, 0);
        for (int i = 0; i < MOST; i++) {
                close(ends[i][0]);
                close(ends[i][1]);
        }
}

/* A regular file is always ready; what comes before it, and is ready too, is the lower index. */
static void test_a_regular_file_among_descriptors(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        FILE *file = tmpfile();
        assert_non_null(file);
        rein_case cases[] = {REIN_ON_FD(ends[0], POLLIN), REIN_ON_FD(fileno(file), POLLIN)};
        choice c = {cases, 2};
        for (int there = 0; there < 2; there++) {
                for (int form = 0; form < MIXED; form++) {
                        assert_int_equal(rein_on(crew_of(form, 0), select_now, &c, NULL), !there);
                        assert_int_equal(cases[!there].result, POLLIN);
                }
                assert_int_equal(write(ends[1], "x", 1), 1);
        }
        fclose(file);
        close(ends[0]);
        close(ends[1]);
}

static void test_descriptors_that_are_none(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        rein_case cases[] = {REIN_ON_FD(ends[0], POLLIN), REIN_ON_FD(-1, POLLIN)};
        assert_int_equal(rein_select(cases, 2, REIN_NEVER), 1);
        assert_int_equal(cases[1].result, -EBADF);
        cases[1] = (rein_case)REIN_ON_FD(ends[0], POLLIN | POLLOUT);
        assert_int_equal(write(ends[1], "x", 1), 1);
        assert_int_equal(rein_select(cases, 2, REIN_NEVER), 0);
        assert_int_equal(rein_select(&cases[1], 1, REIN_NEVER), 0);
        assert_int_equal(cases[1].result, POLLIN);
        choice c = {cases, 1};
        char x;
        assert_int_equal(read(ends[0], &x, 1), 1);
        for (int form = 0; form < MIXED; form++) {
                member m = {.call = select_them, .object = &c};
                member_in_line(&m, crew_of(form, 0), "rein_select");
                rein_cancel(m.future, "it is not needed");
                assert_int_equal(member_end(&m), REIN_ECANCELED);
        }
        close(ends[1]);
        close(ends[0]);
        cases[0].fd = cases[1].fd = 1000; /* nobody's */
        assert_int_equal(rein_select(cases, 1, REIN_NEVER), 0);
        assert_int_equal(cases[0].result, -EBADF);
        cases[0].result = 0;
        assert_int_equal(rein_select(cases, 2, REIN_NEVER), 0);
        assert_int_equal(cases[0].result, -EBADF);
}

static bool nobody_is_in_a_call_with(int fd)
{
        rn_world *w = rn_world_now();
        rn_lock_take(&w->fd_lock);
        const bool nobody = rn_list_empty(&w->fd_calls[(unsigned)fd % RN_FD_BUCKETS]);
        rn_lock_give(&w->fd_lock);
        return nobody;
}

/* Open descriptors, that of the folder included. */
static int descriptors(void)
{
        int n = 0;
        DIR *all = opendir("/proc/self/fd");
        assert_non_null(all);
        while (readdir(all))
                n++;
        closedir(all);
        return n;
}

/* However it ends, nothing that lies on its stack is left where others look. */
static void test_it_leaves_nothing_behind(void **state)
{
        (void)state;
        int in = 0, ends[2];
        gate g[2] = {gate_new(), gate_new()};
        rein_chan *c = rein_chan_new(sizeof in, 0, NULL);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        const int before = descriptors();
        rein_case cases[] = {REIN_ON_FD(ends[0], POLLIN), REIN_ON_SETTLED(g[0].open), REIN_ON_RECV(c, &in),
                             REIN_ON_SEND(c, &in),        REIN_ON_SETTLED(g[1].open), REIN_ON_FD(ends[0], POLLIN)};
        for (int which = 0; which < 4; which++) {
                if (which == 1)
                        cases[0].kind = REIN_CASE_NONE; /* one descriptor only */
                else if (which == 2)
                        cases[5].fd = -1;
                else if (which == 3)
                        cases[0] = (rein_case)REIN_ON_FD(ends[0], POLLIN), cases[5].fd = -1;
                assert_int_equal(rein_select(cases, COUNT(cases), REIN_NOWAIT), which < 2 ? REIN_ETIMEOUT : 5);
                for (int i = 0; i < 2; i++)
                        assert_true(rn_list_empty(&g[i].open->watchers));
                assert_true(nobody_is_in_a_call_with(ends[0]));
                assert_true(rn_list_empty(&c->senders) && rn_list_empty(&c->receivers));
                assert_int_equal(descriptors(), before);
        }
        close(ends[0]);
        close(ends[1]);
        rein_chan_free(c);
        for (int i = 0; i < 2; i++)
                gate_free(&g[i]);
}

static void test_two_wishes_for_one_descriptor(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        rein_case cases[] = {REIN_ON_FD(ends[0], POLLOUT), REIN_ON_FD(ends[0], POLLIN)};
        assert_int_equal(rein_select(cases, 2, REIN_NOWAIT), 0); /* there is room, and nothing to read */
        assert_int_equal(cases[0].result, POLLOUT);
        close(ends[0]);
        close(ends[1]);
}

/* Up to eight cases need no memory; more of them are as good. */
static void test_many_cases(void **state)
{
        (void)state;
        enum { MOST = 20 };
        rein_chan *c[MOST];
        for (int i = 0; i < MOST; i++)
                c[i] = rein_chan_new(sizeof(int), 0, NULL);
        for (int n = 7; n <= MOST; n++) {
                rein_case cases[MOST];
                int in = 0;
                for (int i = 0; i < n; i++)
                        cases[i] = (rein_case)REIN_ON_RECV(c[i], &in);
                choice all = {cases, (size_t)n};
                member m = {.call = select_them, .object = &all};
                member_in_line(&m, crew_of(n % MIXED, 0), "rein_select");
                assert_int_equal(rein_chan_send(c[n - 1], &n, REIN_NOWAIT), 0);
                assert_int_equal(member_end(&m), n - 1);
                assert_int_equal(in, n);
                for (int i = 0; i < n; i++)
                        assert_true(rn_list_empty(&c[i]->receivers));
        }
        for (int i = 0; i < MOST; i++)
                rein_chan_free(c[i]);
}

static void test_wrong_cases_are_told_and_nothing_happens(void **state)
{
        (void)state;
        int in = 0;
        rein_chan *c = rein_chan_new(sizeof(int), 1, NULL);
        rein_chan_send(c, &(int){4}, REIN_NOWAIT);
        rein_case wrong[] = {REIN_ON_RECV(c, &in), REIN_ON_SETTLED(NULL)};
        assert_int_equal(rein_select(wrong, 2, REIN_NOWAIT), -EINVAL);
        wrong[1] = (rein_case)REIN_ON_SEND(c, NULL);
        assert_int_equal(rein_select(wrong, 2, REIN_NOWAIT), -EINVAL);
        wrong[1] = (rein_case)REIN_ON_FD(0, 0);
        assert_int_equal(rein_select(wrong, 2, REIN_NOWAIT), -EINVAL);
        wrong[1] = (rein_case){.kind = 99};
        assert_int_equal(rein_select(wrong, 2, REIN_NOWAIT), -EINVAL);
        wrong[1] = (rein_case){.reserved = {0, 1}};
        assert_int_equal(rein_select(wrong, 2, REIN_NOWAIT), -E2BIG);
        assert_int_equal(rein_select(NULL, 1, REIN_NOWAIT), -EINVAL);
        rein_case many[20] = {REIN_ON_RECV(c, &in)};
        support_poor = true;
        assert_int_equal(rein_select(many, 20, REIN_NOWAIT), -ENOMEM);
        support_poor = false;
        assert_int_equal(in, 0);
        assert_int_equal(rein_select(many, 20, REIN_NOWAIT), 0);
        assert_int_equal(in, 4);
        rein_chan_free(c);
}

/* A pool of one thread: a job that waits for another one's future lends its place, here too. */
static int start_and_select(void *arg)
{
        rein_future *f = rein_submit(arg, job_seven, NULL, REIN_JOB(.on_worker = true));
        rein_case cases[] = {REIN_ON_SETTLED(f)};
        int rc = rein_select(cases, 1, rein_after(REIN_SEC(20)));
        rc = rc < 0 ? rc : rein_code(f);
        rein_drop(f);
        return rc;
}

static void test_a_job_lends_its_place(void **state)
{
        (void)state;
        rein_executor *one = rein_pool_new(REIN_POOL(.threads = 1));
        assert_int_equal(rein_on(one, start_and_select, one, NULL), 7);
        rein_executor_free(one);
}

/* ---- many at once: channels in a ring, everybody sends to the next and receives from the one before ---- */

enum { RING = 6, EACH = 300 };

typedef struct ring {
        rein_chan *c[RING];
        atomic_int sent, got;
} ring;

static int pass_round(member *m)
{
        ring *r = m->object;
        int sent = 0, got = 0, in, out = 1;
        while (sent < EACH || got < EACH) {
                rein_case cases[] = {REIN_ON_SEND(r->c[m->number], &out),
                                     REIN_ON_RECV(r->c[(m->number + 1) % RING], &in)};
                if (sent == EACH)
                        cases[0].kind = REIN_CASE_NONE;
                if (got == EACH)
                        cases[1].kind = REIN_CASE_NONE;
                int rc = rein_select(cases, 2, REIN_NEVER);
                if (rc < 0)
                        return rc;
                sent += rc == 0;
                got += rc == 1;
        }
        atomic_fetch_add(&r->sent, sent);
        atomic_fetch_add(&r->got, got);
        return 0;
}

static void test_every_send_of_one_is_a_receive_of_another(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                ring r = {.sent = 0};
                member m[RING];
                for (int i = 0; i < RING; i++)
                        r.c[i] = rein_chan_new(sizeof(int), 0, NULL);
                for (int i = 0; i < RING; i++) {
                        m[i] = (member){.call = pass_round, .object = &r, .number = i};
                        member_start(&m[i], crew_of(form, i));
                }
                for (int i = 0; i < RING; i++)
                        assert_int_equal(member_end(&m[i]), 0);
                assert_int_equal(r.sent, RING * EACH);
                assert_int_equal(r.got, RING * EACH);
                for (int i = 0; i < RING; i++)
                        rein_chan_free(r.c[i]);
        }
}

/* ---- does it add up? ---- */

static rein_chan *made_chan[2];
static rein_case made_case[3];
static rn_select_place made_place[3];
static rein_chan *made_chans[3];
static rn_selection made;

/* In the lines of two channels, and for a time. */
static void make(void)
{
        int i;
        for (i = 0; i < 2; i++) {
                rein_chan_free(made_chan[i]);
                made_chan[i] = rein_chan_new(sizeof(int), 0, NULL);
        }
        made_case[0] = (rein_case){.kind = REIN_CASE_RECV, .chan = made_chan[0]};
        made_case[1] = (rein_case){.kind = REIN_CASE_TIME};
        made_case[2] = (rein_case){.kind = REIN_CASE_RECV, .chan = made_chan[1]};
        made = (rn_selection){.cases = made_case,
                              .n = 3,
                              .self = rn_self(),
                              .happened = RN_SELECT_NONE,
                              .turn.task = rn_self(),
                              .places = made_place,
                              .stands = true,
                              .chans = made_chans,
                              .chan_count = 2};
        for (i = 0; i < 2; i++) {
                rn_stand *s = &made_place[2 * i].stand;
                made_chans[i] = made_chan[i];
                *s = (rn_stand){.turn = &made.turn, .index = 2u * (uint32_t)i};
                s->link = (rn_link){&s->link, &s->link}; /* somewhere */
        }
}

static const char *ask(void)
{
        return rn_selection_wrong(&made);
}

static void ended_beyond_its_cases(void)
{
        made.happened = 3;
}

static void ended_before_its_cases(void)
{
        made.happened = -2;
}

static void counts_too_many(void)
{
        made.fd_count = 2;
}

static void watches_too_many(void)
{
        made.watched = 4;
}

static void begins_too_many(void)
{
        made.fds_begun = 4;
}

static void out_of_order(void)
{
        made_chans[0] = made_chan[1];
        made_chans[1] = made_chan[0];
}

static void one_channel_twice(void)
{
        made_chans[1] = made_chan[0];
}

static void chosen_beyond_its_cases(void)
{
        rn_store32(&made.turn.chosen, 4);
}

static void a_time_was_chosen(void)
{
        rn_store32(&made.turn.chosen, 2);
}

static void a_stand_of_another(void)
{
        made_place[0].stand.turn = NULL;
}

static void a_stand_for_another_case(void)
{
        made_place[2].stand.index = 0;
}

static void out_of_a_line_and_not_chosen(void)
{
        made_place[2].stand.link = (rn_link){0};
}

static void chosen_and_still_in_line(void)
{
        rn_store32(&made.turn.chosen, 3);
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const char in_lines[] =
                "a selection is not in the lines of its channels, or still in that of the case that was chosen";
        static const broken_way ways[] = {
                {ended_beyond_its_cases, "a selection ended by a case that it does not have"},
                {ended_before_its_cases, "a selection ended by a case that it does not have"},
                {counts_too_many, "a selection counts more than its cases"},
                {watches_too_many, "a selection counts more than its cases"},
                {begins_too_many, "a selection counts more than its cases"},
                {out_of_order, "the channels of a selection are not locked in the order of their age"},
                {one_channel_twice, "the channels of a selection are not locked in the order of their age"},
                {chosen_beyond_its_cases, "a case was chosen that stands in no line"},
                {a_time_was_chosen, "a case was chosen that stands in no line"},
                {a_stand_of_another, "a stand is not of the selection that it stands for"},
                {a_stand_for_another_case, "a stand is not of the selection that it stands for"},
                {out_of_a_line_and_not_chosen, in_lines},
                {chosen_and_still_in_line, in_lines},
        };
        broken_each(make, ask, ways, COUNT(ways));
        make();
        rn_store32(&made.turn.chosen, 1);
        made_place[0].stand.link = (rn_link){0};
        assert_null(rn_selection_wrong(&made));
        made_place[2].stand.link = (rn_link){0}; /* a giver has met it since, and taken it out */
        assert_null(rn_selection_wrong(&made));
        for (int i = 0; i < 2; i++)
                rein_chan_free(made_chan[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_of_a_select_stays_with_its_futures),
                cmocka_unit_test(test_what_can_happen_at_entry_the_lowest_index),
                cmocka_unit_test(test_each_kind_ends_the_wait),
                cmocka_unit_test(test_a_select_stands_in_each_line_like_everybody),
                cmocka_unit_test(test_it_does_not_meet_itself),
                cmocka_unit_test(test_several_descriptors),
                cmocka_unit_test(test_several_descriptors_at_the_limit_of_descriptors),
                cmocka_unit_test(test_many_descriptors),
                cmocka_unit_test(test_a_regular_file_among_descriptors),
                cmocka_unit_test(test_descriptors_that_are_none),
                cmocka_unit_test(test_it_leaves_nothing_behind),
                cmocka_unit_test(test_two_wishes_for_one_descriptor),
                cmocka_unit_test(test_many_cases),
                cmocka_unit_test(test_wrong_cases_are_told_and_nothing_happens),
                cmocka_unit_test(test_a_job_lends_its_place),
                cmocka_unit_test(test_every_send_of_one_is_a_receive_of_another),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
        };
        rn_choose_by(refuse); /* before there are threads */
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
