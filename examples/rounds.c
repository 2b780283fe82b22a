/* SPDX-License-Identifier: Apache-2.0 */
/* A computation in rounds: four workers compute a part of each row, and none begins the next row before all have the last
 * one. Every tenth row is kept. When a worker fails in the middle, the others leave the barrier; it is reset, and the
 * computation goes on from the row that was kept. */
#include <rein/rein.h>

#include <errno.h>
#include <string.h>

enum { WORKERS = 4, CELLS = 64, ROUNDS = 100, KEEP_EVERY = 10 };

typedef struct grid {
        rein_barrier *barrier;
        unsigned char rows[2][CELLS + 1]; /* the last one and the next one, in turn */
        unsigned char kept[CELLS + 1];
        int kept_round, fails_in; /* 0: it does not fail any more */
} grid;

typedef struct part {
        grid *grid;
        int number;
} part;

/* One cell of the next row: S. Wolfram's rule 30. */
static unsigned char next_cell(const unsigned char *row, int i)
{
        int left = row[(i + CELLS - 1) % CELLS] == '#', here = row[i] == '#', right = row[(i + 1) % CELLS] == '#';
        return left ^ (here | right) ? '#' : '.';
}

static int work(void *arg)
{
        part *p = arg;
        grid *g = p->grid;
        const int first = p->number * CELLS / WORKERS, end = (p->number + 1) * CELLS / WORKERS;
        for (int round = g->kept_round + 1; round <= ROUNDS; round++) {
                const unsigned char *last = g->rows[(round - 1) % 2];
                unsigned char *next = g->rows[round % 2];
                if (p->number == 1 && round == g->fails_in)
                        return rein_fail(-EIO, "worker %d failed in round %d", p->number, round);
                for (int i = first; i < end; i++)
                        next[i] = next_cell(last, i);
                int place = rein_barrier_arrive(g->barrier, REIN_NEVER);
                if (place < 0)
                        return place;                        /* another one has left: this row will not be whole */
                if (place == 1 && round % KEEP_EVERY == 0) { /* the last to come; the others do not touch this row */
                        memcpy(g->kept, next, CELLS);
                        g->kept_round = round;
                }
        }
        return 0;
}

static int compute(grid *g, rein_executor *pool)
{
        rein_group all;
        memcpy(g->rows[g->kept_round % 2], g->kept, sizeof g->kept);
        printf("from round %d\n", g->kept_round);
        rein_group_open(&all, NULL); /* REIN_ALL: one that fails stops the others */
        for (int i = 0; i < WORKERS; i++) {
                part p = {g, i};
                rein_spawn(&all, pool, work, REIN_COPY(p, .name = "worker"));
        }
        return rein_group_close(&all, 0);
}

int main(void)
{
        grid g = {.barrier = rein_barrier_new(WORKERS), .fails_in = 57};
        rein_executor *pool = rein_pool_new(REIN_POOL(.name = "workers", .threads = WORKERS));
        if (!g.barrier || !pool) {
                rein_error_print(stderr, rein_trail());
                return 1;
        }
        memset(g.kept, '.', CELLS);
        g.kept[CELLS / 2] = '#';
        int rc = compute(&g, pool);
        if (rc == REIN_EFAILED) {
                printf("%s\n", rein_error_text(rein_error_cause(rein_trail())));
                g.fails_in = 0;
                rein_barrier_reset(g.barrier); /* it was broken by those that left */
                rc = compute(&g, pool);
        }
        printf("%s, round %d:\n%s\n", rein_code_name(rc), g.kept_round, g.kept);
        rein_executor_free(pool);
        rein_barrier_free(g.barrier);
        return rc == 0 && g.kept_round == ROUNDS ? 0 : 1;
}
