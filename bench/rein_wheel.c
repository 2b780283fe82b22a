/* SPDX-License-Identifier: Apache-2.0 */
/* The bare timers of a loop, which rein has no public call for: what a coroutine that waits with a deadline pays for its
 * node in the wheel. The one harness that looks inside. */
#include "loop/wheel.h"
#include "rein_parts.h"

static int64_t in_ms(long ms)
{
        return (int64_t)now_ns() + ms * 1000000;
}

void timer_bare(int t, int producers)
{
        long n = timers(), fired = 0;
        rn_wheel *w = calloc(1, sizeof *w);
        rn_wheel_node *nodes = calloc((size_t)n, sizeof *nodes);
        int64_t begin = in_ms(0);
        uint64_t t0;

        (void)t;
        (void)producers;
        rn_wheel_init(w);
        rn_wheel_pop(w, begin);
        t0 = now_ns();
        for (long i = 0; i < n; i++)
                rn_wheel_push(w, &nodes[i], begin + far_ms() * 1000000);
        for (long i = 0; i < n; i++)
                rn_wheel_remove(w, &nodes[i]);
        emit_per("timer.insert_cancel", param("n=%ld;bare", n), t0, n, "ns");

        for (long i = 0; i < TIMERS_STANDING; i++)
                rn_wheel_push(w, &nodes[i], begin + far_ms() * 1000000);
        t0 = now_ns();
        for (long i = TIMERS_STANDING; i < n; i++) {
                rn_wheel_push(w, &nodes[i], begin + far_ms() * 1000000);
                rn_wheel_remove(w, &nodes[i]);
        }
        emit_per("timer.churn", "pop=10000;bare", t0, n - TIMERS_STANDING, "ns");
        for (long i = 0; i < TIMERS_STANDING; i++)
                rn_wheel_remove(w, &nodes[i]);

        begin = in_ms(0);
        for (long i = 0; i < TIMERS_DUE; i++)
                rn_wheel_push(w, &nodes[i], begin + soon_ms() * 1000000);
        nap_us(30000);
        t0 = now_ns();
        while (rn_wheel_pop(w, (int64_t)t0))
                fired++;
        must(fired == TIMERS_DUE, "timer: not all have fired");
        emit_per("timer.fire_due", param("n=%d;bare", TIMERS_DUE), t0, TIMERS_DUE, "ns");
        free(nodes);
        free(w);
}
