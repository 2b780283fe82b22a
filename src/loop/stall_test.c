/* SPDX-License-Identifier: Apache-2.0 */
/* A job that holds a loop up is told while it does: its name, where it was submitted, the system call, its frames. */
#include <rein/loop.h>

#include <dlfcn.h>

#include "loop/loop.h"
#include "support.h"

#define WHERE_IT_IS __attribute__((noinline)) /* a frame of its own */

typedef struct held {
        int ends[2];
        atomic_bool computes;
        atomic_uint thread; /* where the job is */
        rein_executor *loop;
        rein_future *job;
        int64_t began;
} held;

static WHERE_IT_IS int blocks(void *arg)
{
        held *h = arg;
        char c;
        atomic_store(&h->thread, rn_thread_id());
        return (int)read(h->ends[0], &c, 1); /* not rein's */
}

static WHERE_IT_IS int computes(void *arg)
{
        held *h = arg;
        atomic_store(&h->thread, rn_thread_id());
        while (atomic_load(&h->computes))
                ;
        return 1;
}

/* ---- what is said on stderr ---- */

typedef struct listener {
        int said[2], was;
        char text[8192];
} listener;

static void listen_begin(listener *l)
{
        fflush(stderr);
        l->text[0] = 0;
        l->was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        assert_int_equal(pipe2(l->said, O_CLOEXEC), 0);
        dup2(l->said[1], STDERR_FILENO);
}

/* Until it was said, and the line ended. */
static void listen_until(listener *l, const char *what)
{
        size_t have = strlen(l->text);
        for (const char *at = NULL; !(at = strstr(l->text, what)) || !strchr(at, '\n');) {
                ssize_t n = read(l->said[0], l->text + have, sizeof l->text - 1 - have);
                if (n > 0)
                        have += (size_t)n;
                l->text[have] = 0;
        }
}

static void listen_end(listener *l)
{
        dup2(l->was, STDERR_FILENO);
        close(l->was);
        close(l->said[1]);
        size_t have = strlen(l->text);
        for (ssize_t n; (n = read(l->said[0], l->text + have, sizeof l->text - 1 - have)) > 0;)
                have += (size_t)n;
        l->text[have] = 0;
        close(l->said[0]);
}

/* A frame inside of fn, which is in this program. */
static bool names_a_frame_of(const char *text, rein_fn fn)
{
        Dl_info in;
        const uintptr_t from = (uintptr_t)fn;
        if (!dladdr((void *)from, &in))
                return false;
        for (const char *at = text; (at = strstr(at, "stall_test+0x"));) {
                at += strlen("stall_test+");
                const uintptr_t there = (uintptr_t)in.dli_fbase + strtoull(at, NULL, 16);
                if (there > from && there < from + 512)
                        return true;
        }
        return false;
}

static bool is_there(held *h, rein_fn fn)
{
        char doing[RN_STUCK_TEXT] = "";
        if (!atomic_load(&h->thread))
                return false;
        rn_thread_doing(atomic_load(&h->thread), doing, sizeof doing);
        return strncmp(doing, fn == blocks ? "system call read" : "its own code", 12) == 0;
}

/* The job is where it stays; and now it has been there since the machine was started. */
static void again(held *h, const char *name, rein_fn fn)
{
        atomic_store(&h->computes, true);
        atomic_store(&h->thread, 0);
        h->job = rein_submit(h->loop, fn, h, REIN_JOB(.name = name));
        EVENTUALLY(is_there(h, fn));
        rn_store64(&rn_loop_of(h->loop)->stall.since, h->began += 2);
}

static void look(held *h)
{
        rn_timer_arm(&rn_loop_of(h->loop)->stall.timer, rn_clock(), 0);
}

static void hold(held *h, const char *name, rein_fn fn, bool frames)
{
        assert_int_equal(pipe2(h->ends, O_CLOEXEC), 0);
        h->began = 0;
        h->loop = rein_loop_new(REIN_LOOP(.name = "l", .slow_ns = REIN_SEC(10), .slow_frames = frames));
        again(h, name, fn);
        look(h);
}

static void let_go(held *h)
{
        atomic_store(&h->computes, false);
        assert_int_equal(write(h->ends[1], "x", 1), 1);
        assert_int_equal(rein_await(h->job, NULL, REIN_NEVER), 0);
        assert_int_equal(rein_code(h->job), 1);
        rein_drop(h->job);
}

static void end(held *h)
{
        rein_executor_free(h->loop);
        close(h->ends[0]);
        close(h->ends[1]);
}

/* ---- the tests ---- */

static void test_who_blocks_is_told_with_the_call_and_the_frames(void **state)
{
        (void)state;
        held h;
        listener l;
        listen_begin(&l);
        hold(&h, "reader", blocks, false);
        listen_until(&l, "rein: job 'reader' on 'l' holds the loop up, for ");
        let_go(&h); /* it was told before */
        end(&h);
        listen_until(&l, "        from ");
        listen_end(&l);
        assert_non_null(strstr(l.text, " in system call read"));
        assert_non_null(strstr(l.text, "submitted at stall_test.c:"));
        assert_true(names_a_frame_of(l.text, blocks));
        assert_null(strstr(l.text, "held the loop up"));
}

static void test_who_computes_is_told_with_its_frames_where_that_is_asked_for(void **state)
{
        (void)state;
#if defined REIN_TSAN
        skip(); /* its runtime keeps signals back until the thread makes a call */
#endif
        for (int frames = 0; frames < 2; frames++) {
                held h;
                listener l;
                listen_begin(&l);
                hold(&h, "", computes, frames);
                listen_until(&l, " holds the loop up, for ");
                if (frames)
                        listen_until(&l, "        from ");
                let_go(&h);
                end(&h);
                listen_end(&l);
                assert_non_null(strstr(l.text, "rein: job of stall_test.c:"));
                assert_non_null(strstr(l.text, " in its own code"));
                assert_int_equal(names_a_frame_of(l.text, computes), frames);
                assert_int_equal(strstr(l.text, "        ") != NULL, frames);
        }
}

static unsigned untold(held *h)
{
        rn_stall *s = &rn_loop_of(h->loop)->stall;
        rn_lock_take(&s->lock);
        unsigned n = s->untold;
        rn_lock_give(&s->lock);
        return n;
}

/* As if that had been long ago. */
static void forget_the_last(held *h)
{
        rn_stall *s = &rn_loop_of(h->loop)->stall;
        rn_lock_take(&s->lock);
        s->last -= REIN_SEC(3600);
        rn_lock_give(&s->lock);
}

static void test_one_in_a_second_is_told_and_the_others_counted(void **state)
{
        (void)state;
        held h;
        listener l;
        listen_begin(&l);
        hold(&h, "reader", blocks, false);
        listen_until(&l, "holds the loop up");
        look(&h); /* which tells nothing new */
        let_go(&h);
        for (int i = 0; i < 3; i++) {
                again(&h, "quiet", blocks);
                let_go(&h);
        }
        EVENTUALLY(untold(&h) == 3);
        forget_the_last(&h);
        again(&h, "late", blocks);
        look(&h);
        listen_until(&l, "job 'late'");
        let_go(&h);
        end(&h);
        listen_end(&l);
        assert_non_null(strstr(l.text, "; 3 more were not told"));
        assert_null(strstr(l.text, "quiet"));
        const char *once = strstr(l.text, "reader");
        assert_null(strstr(once + 1, "reader"));
}

/* The same by the loop itself, of a stretch that is over: what it has told, it does not tell again. */
static void test_those_that_were_counted_are_told_once(void **state)
{
        (void)state;
        held h;
        listener l;
        listen_begin(&l);
        hold(&h, "reader", blocks, false);
        listen_until(&l, "holds the loop up");
        let_go(&h);
        for (int i = 0; i < 2; i++) {
                again(&h, "quiet", blocks);
                let_go(&h);
        }
        EVENTUALLY(untold(&h) == 2);
        forget_the_last(&h);
        again(&h, "over", blocks);
        let_go(&h);
        listen_until(&l, "job 'over' on 'l' held the loop up for");
        const unsigned left = untold(&h);
        end(&h);
        listen_end(&l);
        assert_non_null(strstr(l.text, "; 2 more were not told"));
        assert_int_equal(left, 0);
}

static void test_an_idle_loop_has_no_timer(void **state)
{
        (void)state;
        held h;
        assert_int_equal(pipe2(h.ends, O_CLOEXEC), 0);
        h.loop = rein_loop_new(REIN_LOOP(.slow_ns = REIN_SEC(0.02)));
        assert_int_equal(rein_on(h.loop, job_seven, NULL, NULL), 7);
        EVENTUALLY(!rn_load32(&rn_loop_of(h.loop)->stall.armed));
        assert_int_equal(rein_on(h.loop, job_seven, NULL, NULL), 7); /* and has it again */
        end(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_who_blocks_is_told_with_the_call_and_the_frames),
                cmocka_unit_test(test_who_computes_is_told_with_its_frames_where_that_is_asked_for),
                cmocka_unit_test(test_one_in_a_second_is_told_and_the_others_counted),
                cmocka_unit_test(test_those_that_were_counted_are_told_once),
                cmocka_unit_test(test_an_idle_loop_has_no_timer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
