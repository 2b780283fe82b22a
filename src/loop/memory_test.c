/* SPDX-License-Identifier: Apache-2.0 */
/* The loop when memory, threads or descriptors run out: the k-th request fails, for every k until nothing fails any more;
 * once, and from then on for ever; for the calling thread, and for all. What comes back is a documented code, everything
 * made comes back, and the next loop works. */
#include "faults.h"

#include <rein/loop.h>

#include <fcntl.h>

#include "loop/loop.h"

#define BIT(kind) (1u << (kind))

static atomic_int ran, released;

static int work(void *arg)
{
        (void)arg;
        ran++;
        return 7;
}

static void release(void *arg)
{
        (void)arg;
        released++;
}

static int nap_and_work(void *arg)
{
        int rc = rein_sleep(rein_after(1000));
        return rc < 0 ? rc : work(arg);
}

static bool allowed(int64_t rc)
{
        return rc >= 0 || rc == -ENOMEM || rc == -EAGAIN || rc == -EMFILE || rc == REIN_EFAILED ||
               rc == REIN_ECANCELED || rc == REIN_EREJECTED;
}

static int answer_of(int64_t rc)
{
        return allowed(rc) ? 0 : (int)rc;
}

/* Each part is tried whatever came of the one before. The first answer that is not allowed, or 0. */
static int parts(void *arg)
{
        char c;
        int ends[2], wrong = 0;
        rein_group g;
        int *succeeded = arg;
        int rc = rein_to_thread(work, NULL, REIN_JOB(.release = release));
        wrong = answer_of(rc);
        *succeeded += rc == 7;
        rein_group_open(&g, NULL);
        rein_spawn(&g, NULL, work, NULL, REIN_JOB(.release = release));
        rein_spawn(&g, NULL, nap_and_work, NULL, REIN_JOB(.release = release));
        rc = rein_group_close(&g, 0);
        wrong = wrong ? wrong : answer_of(rc);
        *succeeded += rc == 0;
        int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        rc = (int)rein_read(zero, &c, 1, REIN_NEVER);
        wrong = wrong ? wrong : answer_of(rc);
        *succeeded += rc == 1;
        close(zero);
        if (pipe2(ends, O_CLOEXEC) == 0) {
                rc = (int)rein_read(ends[0], &c, 1, rein_after(1000));
                wrong = wrong ? wrong : rc == REIN_ETIMEOUT ? 0 : answer_of(rc);
                *succeeded += rc == REIN_ETIMEOUT;
                close(ends[0]);
                close(ends[1]);
        }
        return wrong;
}

enum { PARTS = 6 };

/* How many parts did what they should. -1: one answered what it must not. */
static int scenario(bool portable)
{
        int succeeded = 0;
        released = 0;
        int rc = rein_run(parts, &succeeded, REIN_LOOP(.portable = portable));
        if (!allowed(rc)) {
                fprintf(stderr, "rein_run: %s\n", rein_code_name(rc));
                return -1;
        }
        int came = released;
        if (rc >= 0 && came != 3) {
                fprintf(stderr, "%d of 3 arguments were released\n", came);
                return -1;
        }
        succeeded += rc == 0;
        rein_executor *loop = rein_loop_new(REIN_LOOP(.portable = portable));
        if (!loop)
                return allowed(rein_error_code(rein_trail())) ? succeeded : -1;
        rein_future *f = rein_submit(loop, nap_and_work, NULL, NULL);
        rc = rein_await(f, NULL, REIN_NEVER);
        if (rc == -ENOMEM || rc == REIN_EFAILED)
                rein_cancel(f, "could not be awaited");
        else if (rc < 0)
                return -1;
        succeeded += rc == 0;
        rein_drop(f);
        rein_executor_free(loop);
        return succeeded;
}

static size_t fibers(void)
{
        rn_world *w = rn_world_now();
        return w->fibers.item_size ? rn_slab_count(&w->fibers) : 0;
}

/* Only this thread, the clock and the hand are left. */
static census at_rest(void)
{
        EVENTUALLY(census_now().tasks == 3);
        return census_now();
}

static void walk(unsigned kinds, bool for_ever, bool only_mine, bool portable)
{
        census then = at_rest();
        for (unsigned k = 1;; k++) {
                faults_at(kinds, k, for_ever, only_mine);
                int rc = scenario(portable);
                unsigned failed = faults.failed;
                faults_off();
                if (rc < 0)
                        fprintf(stderr, "k = %u\n", k);
                assert_true(rc >= 0);
                progress();
                census_returns_to(then);
                EVENTUALLY(fibers() == 0);
                if (failed == 0) {
                        assert_int_equal(rc, PARTS);
                        break;
                }
        }
        assert_int_equal(scenario(portable), PARTS);
        census_returns_to(then);
}

static void walk_all(bool portable)
{
        const unsigned kinds[] = {BIT(RN_CHOOSE_ALLOC), BIT(RN_CHOOSE_THREAD), BIT(RN_CHOOSE_FD)};
        faults_mine = true;
        assert_int_equal(scenario(portable), PARTS); /* what is made once for ever is there */
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
                for (int how = 0; how < 4; how++)
                        walk(kinds[i], how & 1, how & 2, portable);
}

static void test_whatever_runs_out_the_loop_says_so_and_the_next_one_works(void **state)
{
        (void)state;
        walk_all(false);
        walk_all(true);
}

/* No failures: interrupted calls, calls that would block after all, waits that end for no reason. */
static void test_under_a_storm_of_interruptions_everything_works(void **state)
{
        (void)state;
        census then = at_rest();
        for (int i = 0; i < 200 / TEST_SLOW; i++) {
                faults_storm(BIT(RN_CHOOSE_INTR) | BIT(RN_CHOOSE_AGAIN) | BIT(RN_CHOOSE_SPURIOUS), 3);
                int rc = scenario(i % 2);
                faults_off();
                assert_int_equal(rc, PARTS);
                progress();
        }
        census_returns_to(then);
}

int main(void)
{
        faults_install();
        watchdog_start();
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whatever_runs_out_the_loop_says_so_and_the_next_one_works),
                cmocka_unit_test(test_under_a_storm_of_interruptions_everything_works),
        };
        int rc = cmocka_run_group_tests(tests, NULL, NULL);
        watchdog_stop();
        return rc;
}
