/* SPDX-License-Identifier: Apache-2.0 */
/* The frames in a receipt: where a job was when it was asked. */
#include <dlfcn.h>
#include <sys/syscall.h>

#include "core/frames.h"
#include "core/work.h"
#include "support.h"

#define WHERE_IT_IS __attribute__((noinline)) /* a frame of its own */

typedef struct stay {
        int ends[2];
        bool region;
        atomic_uint thread;
        atomic_bool leave;
        char *here; /* its frame */
} stay;

static WHERE_IT_IS int reads(stay *s)
{
        char c;
        s->here = __builtin_frame_address(0);
        atomic_store(&s->thread, rn_thread_id());
        const int rc =
                (int)syscall(SYS_read, s->ends[0], &c, 1); /* not rein's, nor a sanitizer's, whose frames are many */
        return rc < 0 ? -errno : rc;
}

static int blocks(void *arg)
{
        stay *s = arg;
        rein_hook h;
        if (!s->region)
                return reads(s);
        int rc = rein_hook_open(&h, REIN_POKE, NULL);
        return rc < 0 ? rc : rein_hook_close(&h, reads(s));
}

static int computes(void *arg)
{
        stay *s = arg;
        atomic_store(&s->thread, rn_thread_id());
        while (!atomic_load(&s->leave) && rein_checkpoint() == 0)
                ;
        return REIN_ECANCELED;
}

static bool is_in(stay *s, const char *what)
{
        char doing[RN_STUCK_TEXT] = "";
        if (atomic_load(&s->thread))
                rn_thread_doing(atomic_load(&s->thread), doing, sizeof doing);
        return strncmp(doing, what, strlen(what)) == 0;
}

/* A frame inside of fn, which is in this program: frames_test, or test where it was started again. */
static bool names_a_frame_of(const char *text, int (*fn)(stay *s))
{
        Dl_info in;
        const uintptr_t from = (uintptr_t)fn;
        if (!dladdr((void *)from, &in))
                return false;
        for (const char *at = text; (at = strstr(at, "test+0x"));) {
                at += strlen("test+");
                const uintptr_t there = (uintptr_t)in.dli_fbase + strtoull(at, NULL, 16);
                if (there > from && there < from + 1024)
                        return true;
        }
        return false;
}

static void begin(stay *s)
{
        *s = (stay){.region = true};
        assert_int_equal(pipe2(s->ends, O_CLOEXEC), 0);
}

static void end(stay *s)
{
        close(s->ends[0]);
        close(s->ends[1]);
}

static void printed(const rein_receipt *r, char *text, size_t n)
{
        memset(text, 0, n);
        FILE *f = fmemopen(text, n - 1, "w");
        assert_non_null(f);
        rein_receipt_print(f, r);
        fclose(f);
}

/* Stopped while it is in there; it leaves. */
static rein_straggler stop(rein_executor *x, stay *s, rein_fn fn, const char *in, rein_receipt **r)
{
        rein_straggler out = {.size = sizeof out};
        rein_future *f = rein_submit(x, fn, s, REIN_JOB(.name = "job"));
        EVENTUALLY(is_in(s, in));
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, rein_after(REIN_SEC(20)), r), 0);
        assert_int_equal(rein_receipt_count(*r), 1);
        assert_true(rein_receipt_at(*r, 0, &out));
        assert_string_equal(out.name, "job");
        assert_true(out.gone);
        assert_int_equal(rein_code(f), REIN_ECANCELED);
        rein_drop(f);
        return out;
}

static void check_frames(const char *frames)
{
        assert_memory_equal(frames, "at ", 3);
        assert_true(names_a_frame_of(frames, reads));
        const char *second = strchr(frames, '\n');
        assert_non_null(second);
        for (const char *line = second; line; line = strchr(line + 1, '\n'))
                assert_memory_equal(line, "\nfrom ", 6);
        assert_true(frames[strlen(frames) - 1] != '\n');
}

static void poked_on(rein_executor *x)
{
        stay s;
        rein_receipt *r;
        static char text[4096];
        begin(&s);
        rein_straggler out = stop(x, &s, blocks, "system call read", &r);
        assert_string_equal(out.stopped_by, "poke");
        assert_non_null(strstr(out.stuck_in, "hook region "));
        check_frames(out.frames);
        const char *again = out.frames;
        assert_true(rein_receipt_at(r, 0, &out));
        assert_ptr_equal(out.frames, again); /* as long as the receipt */
        printed(r, text, sizeof text);
        assert_non_null(strstr(text, ", was in hook region "));
        assert_non_null(strstr(text, "\n        at "));
        assert_non_null(strstr(text, "\n        from "));
        assert_true(names_a_frame_of(text, reads));
        rein_receipt_free(r);
        rein_executor_free(x);
        end(&s);
}

static void test_who_was_poked_is_told_with_its_frames(void **state)
{
        (void)state;
        poked_on(rein_pool_new(REIN_POOL(.threads = 1)));
}

static void test_so_is_a_coroutine(void **state)
{
        (void)state;
        poked_on(rein_loop_new(NULL));
}

static void test_who_waits_in_rein_or_computes_has_none(void **state)
{
        (void)state;
        for (int sleeps = 0; sleeps < 2; sleeps++) {
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
                stay s;
                seat asleep = {NULL};
                rein_receipt *r;
                rein_straggler out = {.size = sizeof out};
                begin(&s);
                if (sleeps) {
                        rein_future *f = rein_submit(x, job_sleep, &asleep, NULL);
                        EVENTUALLY(sits_in(&asleep, "rein_sleep"));
                        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, &r), 0);
                        assert_true(rein_receipt_at(r, 0, &out));
                        assert_string_equal(out.stuck_in, "rein_sleep");
                        rein_drop(f);
                } else {
                        out = stop(x, &s, computes, "its own code", &r);
                }
                assert_string_equal(out.frames, "");
                rein_receipt_free(r);
                rein_executor_free(x);
                end(&s);
        }
}

/* ---- who does not leave ---- */

static int program_frees_what_is_stuck(void)
{
        static stay s;
        if (pipe2(s.ends, O_CLOEXEC) != 0)
                return 1;
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "p", .threads = 1, .grace_ns = 1));
        rein_drop(rein_submit(x, blocks, &s, REIN_JOB(.name = "stuck")));
        bool there;
        COMES_TRUE(is_in(&s, "system call read"), there);
        rein_executor_free(x);
        _exit(there ? 0 : 1);
}

/* The loader's lock, for ever. */
static int loads(void *arg)
{
        stay *s = arg;
        atomic_store(&s->thread, rn_thread_id());
        return dlopen(REIN_BINARY_DIR "/tests/modules/blocks.so", RTLD_NOW) ? 0 : rein_fail(-ENOENT, "%s", dlerror());
}

static int program_frees_what_loads(void)
{
        static stay s;
        int ends[2];
        char number[16], c;
        if (pipe2(ends, O_CLOEXEC) != 0)
                return 1;
        snprintf(number, sizeof number, "%d", ends[1]);
        setenv("REIN_TEST_LOADING", number, 1);
        rein_executor *x = rein_pool_new(REIN_POOL(.name = "p", .threads = 1, .grace_ns = 1));
        rein_drop(rein_submit(x, loads, &s, REIN_JOB(.name = "stuck")));
        bool there;
        if (read(ends[0], &c, 1) != 1)
                return 1;
        COMES_TRUE(is_in(&s, "system call read"), there);
        rein_executor_free(x);
        _exit(there ? 0 : 1);
}

static void test_the_lock_of_the_loader_is_not_waited_for(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("frees_what_loads", said, sizeof said), 0);
        assert_non_null(strstr(said, "job 'stuck' on 'p': abandoned"));
        assert_non_null(strstr(said, " blocks.so+0x"));
}

static void test_what_is_stuck_when_it_is_freed_is_told_with_its_frames(void **state)
{
        (void)state;
        char said[4096];
        assert_int_equal(program_run("frees_what_is_stuck", said, sizeof said), 0);
        assert_non_null(strstr(said, "job 'stuck' on 'p': abandoned"));
        assert_non_null(strstr(said, "\n        at "));
        assert_true(names_a_frame_of(said, reads));
}

static void test_what_was_abandoned_keeps_the_frames_of_that_moment(void **state)
{
        (void)state;
        stay s;
        rein_receipt *r;
        rein_straggler out = {.size = sizeof out};
        unseen u = {0};
        rein_on_unseen(unseen_note, &u);
        begin(&s);
        s.region = false;
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1, .grace_ns = 1));
        rein_future *f = rein_submit(x, blocks, &s, NULL);
        EVENTUALLY(is_in(&s, "system call read"));
        assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, rein_after(REIN_MS(20)), &r), REIN_ESTUCK);
        assert_int_equal(write(s.ends[1], "x", 1), 1);
        EVENTUALLY(u.count == 1); /* it came back */
        assert_true(rein_receipt_at(r, 0, &out));
        assert_string_equal(out.stopped_by, "abandoned");
        check_frames(out.frames);
        rein_receipt_free(r);
        rein_drop(f);
        rein_executor_free(x);
        rein_on_unseen(NULL, NULL);
        end(&s);
}

/* ---- asked before it was in the call ---- */

static int is_late(void *arg)
{
        stay *s = arg;
        rein_hook h;
        int rc = rein_hook_open(&h, REIN_POKE, NULL);
        if (rc < 0)
                return rc;
        while (rein_checkpoint() == 0) /* until the first poke is under way */
                atomic_store(&s->thread, rn_thread_id());
        while ((rc = reads(s)) == -EINTR && !atomic_exchange(&s->leave, true))
                ;
        return rein_hook_close(&h, rc);
}

static void test_a_later_poke_finds_what_the_first_came_too_early_for(void **state)
{
        (void)state;
        stay s;
        rein_receipt *r;
        begin(&s);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        rein_straggler out = stop(x, &s, is_late, "its own code", &r);
        assert_string_equal(out.stopped_by, "poke");
        assert_non_null(strstr(out.stuck_in, "hook region "));
        check_frames(out.frames);
        rein_receipt_free(r);
        rein_executor_free(x);
        end(&s);
}

/* ---- memory, and those who know less ---- */

static void test_without_memory_there_are_none_and_the_stop_is_as_ever(void **state)
{
        (void)state;
        for (int reading = 0; reading < 2; reading++) {
                stay s;
                rein_receipt *r;
                rein_straggler out = {.size = sizeof out};
                begin(&s);
                rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
                rein_future *f = rein_submit(x, blocks, &s, NULL);
                EVENTUALLY(is_in(&s, "system call read"));
                atomic_store(&support_all_poor, !reading);
                assert_int_equal(rein_executor_stop(x, REIN_STOP_NOW, REIN_NEVER, &r), 0);
                atomic_store(&support_all_poor, reading);
                assert_true(rein_receipt_at(r, 0, &out));
                atomic_store(&support_all_poor, false);
                assert_string_equal(out.stopped_by, "poke");
                assert_string_equal(out.frames, "");
                assert_true(rein_receipt_at(r, 0, &out));
                if (reading)
                        check_frames(out.frames);
                else
                        assert_string_equal(out.frames, "");
                rein_receipt_free(r);
                rein_drop(f);
                rein_executor_free(x);
                end(&s);
        }
}

static void test_a_program_that_knows_no_frames_is_not_written_behind(void **state)
{
        (void)state;
        stay s;
        rein_receipt *r;
        struct {
                rein_straggler known;
                char beyond[8];
        } out;
        memset(&out, 7, sizeof out);
        begin(&s);
        rein_executor *x = rein_pool_new(REIN_POOL(.threads = 1));
        (void)stop(x, &s, blocks, "system call read", &r);
        out.known.size = offsetof(rein_straggler, frames);
        assert_true(rein_receipt_at(r, 0, &out.known));
        assert_true(out.known.gone);
        for (const char *c = (char *)&out.known.frames; c < (char *)(&out + 1); c++)
                assert_int_equal(*c, 7);
        rein_receipt_free(r);
        rein_executor_free(x);
        end(&s);
}

/* ---- whose stack it is ---- */

static void *reads_alone(void *arg)
{
        reads(arg);
        return NULL;
}

static void test_a_thread_on_another_stack_has_no_frames_for_this_task(void **state)
{
        (void)state;
        stay s;
        static rn_stack_piece p;
        begin(&s);
        pthread_t t = go(reads_alone, &s);
        EVENTUALLY(is_in(&s, "system call read"));
        char *here = s.here;
        assert_true(rn_stack_copy(s.thread, NULL, NULL, &p));
        assert_true(rn_stack_copy(s.thread, here - 4096, here + 4096, &p));
        assert_true(p.words <= (size_t)(here + 4096 - (char *)p.sp) / sizeof(uintptr_t));
        assert_false(rn_stack_copy(s.thread, here + 4096, here + 8192, &p));
        assert_false(rn_stack_copy(s.thread, here - 65536, here - 32768, &p));
        assert_int_equal(write(s.ends[1], "x", 1), 1);
        join(t);
        assert_false(rn_stack_copy(s.thread, NULL, NULL, &p)); /* it is gone */
        end(&s);
}

int main(int argc, char **argv)
{
        static const program programs[] = {{"frees_what_is_stuck", program_frees_what_is_stuck},
                                           {"frees_what_loads", program_frees_what_loads}};
        const int rc = program_main(programs, COUNT(programs), argc, argv);
        if (rc >= 0)
                return rc;
        rn_choose_by(support_choose);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_who_was_poked_is_told_with_its_frames),
                cmocka_unit_test(test_so_is_a_coroutine),
                cmocka_unit_test(test_who_waits_in_rein_or_computes_has_none),
                cmocka_unit_test(test_what_is_stuck_when_it_is_freed_is_told_with_its_frames),
                cmocka_unit_test(test_the_lock_of_the_loader_is_not_waited_for),
                cmocka_unit_test(test_what_was_abandoned_keeps_the_frames_of_that_moment),
                cmocka_unit_test(test_a_later_poke_finds_what_the_first_came_too_early_for),
                cmocka_unit_test(test_without_memory_there_are_none_and_the_stop_is_as_ever),
                cmocka_unit_test(test_a_program_that_knows_no_frames_is_not_written_behind),
                cmocka_unit_test(test_a_thread_on_another_stack_has_no_frames_for_this_task),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
