/* SPDX-License-Identifier: Apache-2.0 */
/* Values by key, for every task its own. Keys made inside end with the schedule. A key made outside keeps its place: a
 * task that has set no value for it reads what the simulating thread has. (So do libraries that are linked statically,
 * and sanitizers, whose keys must go on to mean the thread.) */
#include "layer.h"

#include <errno.h>
#include <limits.h>

WRAP(pthread_key_create);
WRAP(pthread_key_delete);
WRAP(pthread_getspecific);
WRAP(pthread_setspecific);

enum { MADE_INSIDE = 1 << 20 }; /* numbers from here on */

typedef struct key {
        struct key *next;
        pthread_key_t number;
        void (*destroy)(void *value);
} key;

static key *keys; /* of this schedule */
static pthread_key_t key_count;
static void (*destroy_outside[PTHREAD_KEYS_MAX])(void *value);
static uint64_t set_in[PTHREAD_KEYS_MAX]; /* the last schedule in which a key from outside was set */

void rn_p_keys_reset(void)
{
        keys = NULL;
        key_count = 0;
}

static key **key_at(pthread_key_t number)
{
        key **k = &keys;
        while (*k && (*k)->number != number)
                k = &(*k)->next;
        return k;
}

static rn_p_value *key_value_of(const rn_p_thread *me, pthread_key_t number)
{
        rn_p_value *v = me->values;
        while (v && v->key != number)
                v = v->next;
        return v;
}

int __wrap_pthread_key_create(pthread_key_t *number, void (*destroy)(void *value))
{
        if (!rn_p_inside()) {
                int rc = __real_pthread_key_create(number, destroy);
                if (rc == 0 && *number < PTHREAD_KEYS_MAX)
                        destroy_outside[*number] = destroy;
                return rc;
        }
        rn_p_self();
        if (key_count == PTHREAD_KEYS_MAX)
                return EAGAIN;
        key *k = rn_p_alloc(sizeof *k);
        RN_P_ASSERT(!*key_at(MADE_INSIDE + key_count), "the number of a new key is free");
        *number = k->number = MADE_INSIDE + key_count++;
        k->destroy = destroy;
        k->next = keys;
        keys = k;
        return 0;
}

int __wrap_pthread_key_delete(pthread_key_t number)
{
        if (!rn_p_inside() || number < MADE_INSIDE)
                return __real_pthread_key_delete(number);
        rn_p_self();
        key **k = key_at(number);
        if (!*k)
                return EINVAL;
        *k = (*k)->next;
        return 0;
}

void *__wrap_pthread_getspecific(pthread_key_t number)
{
        if (!rn_p_inside())
                return __real_pthread_getspecific(number);
        /* A sanitizer's runtime asks in the middle of anything: nothing may be allocated for it here. */
        if (number < PTHREAD_KEYS_MAX && set_in[number] != rein_sim_number())
                return __real_pthread_getspecific(number);
        const rn_p_value *v = key_value_of(rn_p_self(), number);
        if (v)
                return v->value;
        return number < MADE_INSIDE ? __real_pthread_getspecific(number) : NULL;
}

int __wrap_pthread_setspecific(pthread_key_t number, const void *value)
{
        if (!rn_p_inside())
                return __real_pthread_setspecific(number, value);
        rn_p_thread *me = rn_p_self();
        if (number >= MADE_INSIDE && !*key_at(number))
                return EINVAL;
        if (number < PTHREAD_KEYS_MAX)
                set_in[number] = rein_sim_number();
        rn_p_value *v = key_value_of(me, number);
        if (!v) {
                v = rn_p_alloc(sizeof *v);
                v->key = number;
                v->next = me->values;
                me->values = v;
        }
        v->value = (void *)(uintptr_t)value;
        return 0;
}

static void (*key_destructor(pthread_key_t number))(void *)
{
        if (number >= MADE_INSIDE)
                return *key_at(number) ? (*key_at(number))->destroy : NULL;
        return number < PTHREAD_KEYS_MAX ? destroy_outside[number] : NULL;
}

void rn_p_values_destroy(void)
{
        rn_p_thread *me = rn_p_self();
        bool some = true;
        for (int round = 0; some && round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
                some = false;
                for (rn_p_value *v = me->values; v; v = v->next) {
                        void *value = v->value;
                        void (*destroy)(void *) = key_destructor(v->key);
                        v->value = NULL;
                        if (value && destroy) {
                                some = true;
                                destroy(value);
                        }
                }
        }
}
