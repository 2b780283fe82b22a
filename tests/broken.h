/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the functions that say what does not add up (rn_NOUN_wrong): a record is made, must be sound, is broken
 * by hand in one way, and must be told of by that way's text. */
#ifndef TESTS_BROKEN_H
#define TESTS_BROKEN_H

#include "support.h"

typedef struct broken_way {
        void (*breaks)(void);
        const char *text;
} broken_way;

static inline void broken_each(void (*make)(void), const char *(*ask)(void), const broken_way *ways, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                make();
                const char *sound = ask();
                if (sound)
                        fail_msg("before way %zu: %s", i, sound);
                ways[i].breaks();
                const char *what = ask();
                if (!what || strcmp(what, ways[i].text) != 0)
                        fail_msg("way %zu: \"%s\", and not: %s", i, ways[i].text, what ? what : "(nothing)");
        }
}

/* What is said of a list in which broken_list has been, or into which something came twice. */
static const char broken_links[] = "two neighbours in a list do not point to each other";

static inline void broken_list(rn_link *l)
{
        l->next->prev = NULL;
}

/* At the end of a list, whatever the link is in already: rn_list_push would not do that. */
static inline void broken_push(rn_link *list, rn_link *l)
{
        l->prev = list->prev;
        l->next = list;
        list->prev->next = l;
        list->prev = l;
}

/* A simulation asks by itself, after some of its steps: text is a part of what it says. */
typedef struct broken_simulated {
        void (*make)(void); /* may be NULL */
        const broken_way *way;
} broken_simulated;

static inline int broken_program(void *arg)
{
        const broken_simulated *s = (const broken_simulated *)arg;
        if (s->make)
                s->make();
        rein_sim_point("before");
        s->way->breaks();
        for (int i = 0; i < 100; i++)
                rein_sim_point("on it goes");
        return 0;
}

static inline void broken_in_a_simulation(void (*make)(void), const broken_way *ways, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                broken_simulated s = {make, &ways[i]};
                int rc = rein_sim_explore(REIN_SIM(.schedules = 50, .quiet = true), broken_program, &s);
                const char *said = rc == REIN_EFOUND ? rein_error_text(rein_trail()) : "";
                if (!strstr(said, ways[i].text))
                        fail_msg("way %zu: \"%s\", and not: %s", i, ways[i].text, said);
        }
}

#endif
