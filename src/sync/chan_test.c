/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: order, room, rendezvous, closing, what is left over, and that no item is lost or doubled. */
#include "broken.h"
#include "members.h"

#include "sync/chan.h"

static int recv_int(member *m) /* the item becomes the place */
{
        int item = -1, rc = rein_chan_recv(m->object, &item, m->until);
        m->place = item;
        return rc;
}

static int send_number(member *m)
{
        return rein_chan_send(m->object, &m->number, m->until);
}

static int must_recv(rein_chan *c)
{
        int item = -1;
        assert_int_equal(rein_chan_recv(c, &item, REIN_NOWAIT), 1);
        return item;
}

static void test_items_come_in_order_through_the_buffer(void **state)
{
        (void)state;
        rein_chan *c = rein_chan_new(sizeof(int), 3, NULL);
        int next = 0, seen = 0;
        for (int round = 0; round < 5; round++) {
                while (rein_chan_send(c, &next, REIN_NOWAIT) == 0)
                        next++;
                assert_int_equal(next - seen, 3);
                assert_int_equal(rein_chan_send(c, &next, rein_after(REIN_MS(1))), REIN_ETIMEOUT);
                assert_int_equal(must_recv(c), seen++);
                assert_int_equal(must_recv(c), seen++);
        }
        rein_chan_close(c);
        rein_chan_close(c);
        assert_int_equal(rein_chan_send(c, &next, REIN_NEVER), -EPIPE);
        assert_int_equal(must_recv(c), seen++); /* what is left can still be had */
        assert_int_equal(rein_chan_recv(c, &next, REIN_NEVER), 0);
        rein_chan_free(c);
}

static void test_wrong_callers_are_told(void **state)
{
        (void)state;
        int item = 0;
        rein_chan *c = rein_chan_new(sizeof item, 1, NULL);
        assert_null(rein_chan_new(0, 1, NULL));
        assert_int_equal(rein_error_code(rein_trail()), -EINVAL);
        assert_null(rein_chan_new(SIZE_MAX / 2, 3, NULL));
        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
        assert_int_equal(rein_chan_send(NULL, &item, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_chan_send(c, NULL, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_chan_recv(NULL, &item, REIN_NOWAIT), -EINVAL);
        assert_int_equal(rein_chan_recv(c, NULL, REIN_NOWAIT), -EINVAL);
        rein_chan_close(NULL);
        rein_chan_free(NULL);
        support_poor = true;
        assert_null(rein_chan_new(4, 4, NULL));
        assert_int_equal(rein_error_code(rein_trail()), -ENOMEM);
        support_poor = false;
        rein_chan_free(c);
}

static void test_receivers_and_senders_are_served_in_order(void **state)
{
        (void)state;
        enum { N = 6 };
        for (size_t room = 0; room <= 2; room++) {
                for (int form = 0; form < FORMS; form++) {
                        rein_chan *c = rein_chan_new(sizeof(int), room, NULL);
                        member m[N];
                        for (int i = 0; i < N; i++) {
                                m[i] = (member){.call = recv_int, .object = c};
                                member_in_line(&m[i], crew_of(form, i), "rein_chan_recv");
                        }
                        for (int i = 0; i < N; i++)
                                assert_int_equal(rein_chan_send(c, &i, REIN_NOWAIT), 0); /* each is waited for */
                        for (int i = 0; i < N; i++) {
                                assert_int_equal(member_end(&m[i]), 1);
                                assert_int_equal(m[i].place, i);
                        }
                        for (int i = 0; i < (int)room; i++)
                                assert_int_equal(rein_chan_send(c, &i, REIN_NOWAIT), 0);
                        for (int i = 0; i < N; i++) {
                                m[i] = (member){.call = send_number, .object = c, .number = (int)room + i};
                                member_in_line(&m[i], crew_of(form, i), "rein_chan_send");
                        }
                        for (int i = 0; i < N + (int)room; i++)
                                assert_int_equal(must_recv(c), i);
                        for (int i = 0; i < N; i++)
                                assert_int_equal(member_end(&m[i]), 0);
                        rein_chan_free(c);
                }
        }
}

static void test_a_sender_goes_on_as_soon_as_there_is_room(void **state)
{
        (void)state;
        for (int form = 0; form < MIXED; form++) {
                rein_chan *c = rein_chan_new(sizeof(int), 2, NULL);
                for (int i = 0; i < 2; i++)
                        assert_int_equal(rein_chan_send(c, &i, REIN_NOWAIT), 0);
                member m = {.call = send_number, .object = c, .number = 2};
                member_in_line(&m, crew_of(form, 0), "rein_chan_send");
                assert_int_equal(must_recv(c), 0);
                assert_int_equal(member_end(&m), 0);
                assert_int_equal(must_recv(c), 1);
                assert_int_equal(must_recv(c), 2);
                rein_chan_free(c);
        }
}

static void test_who_is_cancelled_sends_and_receives_nothing(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                rein_chan *c = rein_chan_new(sizeof(int), 0, NULL);
                member m[2];
                for (int i = 0; i < 2; i++) {
                        m[i] = (member){.call = send_number, .object = c, .number = i};
                        member_in_line(&m[i], crew_of(form, i), "rein_chan_send");
                }
                rein_cancel(m[0].future, "it is not needed");
                assert_int_equal(member_end(&m[0]), REIN_ECANCELED);
                assert_int_equal(must_recv(c), 1);
                assert_int_equal(member_end(&m[1]), 0);
                for (int i = 0; i < 2; i++) {
                        m[i] = (member){.call = recv_int, .object = c};
                        member_in_line(&m[i], crew_of(form, i), "rein_chan_recv");
                }
                rein_cancel(m[0].future, "it is not needed");
                assert_int_equal(member_end(&m[0]), REIN_ECANCELED);
                assert_int_equal(m[0].place, -1);
                assert_int_equal(rein_chan_send(c, &(int){7}, REIN_NOWAIT), 0);
                assert_int_equal(member_end(&m[1]), 1);
                assert_int_equal(m[1].place, 7);
                rein_chan_free(c);
        }
}

static void test_a_close_lets_everybody_go(void **state)
{
        (void)state;
        for (int form = 0; form < FORMS; form++) {
                rein_chan *c = rein_chan_new(sizeof(int), 0, NULL);
                member m[4];
                for (int i = 0; i < 4; i++) {
                        m[i] = (member){.call = recv_int, .object = c};
                        member_in_line(&m[i], crew_of(form, i), "rein_chan_recv");
                }
                rein_chan_close(c);
                for (int i = 0; i < 4; i++)
                        assert_int_equal(member_end(&m[i]), 0);
                rein_chan_free(c);
                c = rein_chan_new(sizeof(int), 1, NULL);
                assert_int_equal(rein_chan_send(c, &(int){5}, REIN_NOWAIT), 0);
                for (int i = 0; i < 4; i++) {
                        m[i] = (member){.call = send_number, .object = c, .number = i};
                        member_in_line(&m[i], crew_of(form, i), "rein_chan_send");
                }
                rein_chan_close(c);
                for (int i = 0; i < 4; i++)
                        assert_int_equal(member_end(&m[i]), -EPIPE);
                assert_int_equal(must_recv(c), 5);
                assert_int_equal(rein_chan_recv(c, &(int){0}, REIN_NOWAIT), 0);
                rein_chan_free(c);
        }
}

typedef struct parcel {
        atomic_int *released;
        long number;
        char rest[40];
} parcel;

static void release_parcel(void *item)
{
        const parcel *p = item;
        assert_int_equal((uintptr_t)p % _Alignof(parcel), 0);
        assert_int_equal(p->number, 1 + atomic_fetch_add(p->released, 1));
}

static void test_what_is_left_over_is_released_in_order(void **state)
{
        (void)state;
        atomic_int released = 0;
        rein_chan *c = rein_chan_new(sizeof(parcel), 4, release_parcel);
        for (long i = -1; i <= 3; i++) { /* round the end of the buffer */
                parcel p = {.released = &released, .number = i}, q;
                assert_int_equal(rein_chan_send(c, &p, REIN_NOWAIT), 0);
                if (i <= 0)
                        assert_int_equal(rein_chan_recv(c, &q, REIN_NOWAIT), 1);
        }
        assert_int_equal(released, 0);
        rein_chan_free(c);
        assert_int_equal(released, 3);
}

/* ---- many at once ---- */

enum { EACH = 400, SENDERS = 4 };

typedef struct market {
        rein_chan *c;
        atomic_int got[SENDERS * EACH], disorder;
} market;

static int send_many(member *m)
{
        market *k = m->object;
        for (int i = 0; i < EACH; i++) {
                int item = m->number * EACH + i, rc = rein_chan_send(k->c, &item, REIN_NEVER);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static int recv_many(member *m)
{
        market *k = m->object;
        int item, rc, last[SENDERS] = {-1, -1, -1, -1};
        while ((rc = rein_chan_recv(k->c, &item, REIN_NEVER)) == 1) {
                atomic_fetch_add(&k->got[item], 1);
                if (item <= last[item / EACH])
                        atomic_fetch_add(&k->disorder, 1);
                last[item / EACH] = item;
        }
        return rc;
}

static void test_every_item_arrives_once(void **state)
{
        (void)state;
        for (size_t room = 0; room <= 4; room += 2) {
                for (int form = 0; form < FORMS; form++) {
                        market k = {.c = rein_chan_new(sizeof(int), room, NULL)};
                        member m[2 * SENDERS];
                        for (int i = 0; i < 2 * SENDERS; i++) {
                                bool sends = i < SENDERS;
                                m[i] = (member){.call = sends ? send_many : recv_many, .object = &k, .number = i};
                                member_start(&m[i], crew_of(form, i));
                        }
                        for (int i = 0; i < SENDERS; i++)
                                assert_int_equal(member_end(&m[i]), 0);
                        rein_chan_close(k.c);
                        for (int i = SENDERS; i < 2 * SENDERS; i++)
                                assert_int_equal(member_end(&m[i]), 0);
                        for (int i = 0; i < SENDERS * EACH; i++)
                                assert_int_equal(k.got[i], 1);
                        assert_int_equal(k.disorder, 0);
                        rein_chan_free(k.c);
                }
        }
}

/* ---- does it add up? ---- */

static struct {
        _Alignas(max_align_t) unsigned char bytes[sizeof(rein_chan) + 2 * sizeof(int)];
} made_memory;
static rein_chan *const made = (rein_chan *)(void *)&made_memory;
static rn_turn made_turn[2];
static rn_stand made_stand[2];
static int made_item;

/* A full buffer, and two who wait to send. */
static void make(void)
{
        *made = (rein_chan){.item_size = sizeof(int), .capacity = 2, .first = 1, .count = 2};
        rn_list_init(&made->senders);
        rn_list_init(&made->receivers);
        for (int i = 0; i < 2; i++) {
                made_turn[i] = (rn_turn){.task = rn_self()};
                made_stand[i] = (rn_stand){.turn = &made_turn[i], .from = &made_item};
                rn_list_push(&made->senders, &made_stand[i].link);
        }
}

static const char *ask(void)
{
        return rn_chan_wrong(made);
}

static void too_many_items(void)
{
        made->count = 3;
}

static void the_first_is_outside(void)
{
        made->first = 2;
}

static void a_first_without_a_buffer(void)
{
        made->capacity = made->count = 0;
}

static void the_senders_are_torn(void)
{
        broken_list(&made_stand[0].link);
}

static void the_receivers_are_torn(void)
{
        made->receivers.next->prev = NULL;
}

static void closed_and_waited_for(void)
{
        made->closed = true;
}

static void room_and_a_sender_waits(void)
{
        made->count = 1;
}

static void become_receivers(void)
{
        for (int i = 0; i < 2; i++) {
                rn_list_remove(&made_stand[i].link);
                made_stand[i].from = NULL;
                made_stand[i].to = &made_item;
                rn_list_push(&made->receivers, &made_stand[i].link);
        }
}

static void an_item_and_a_receiver_waits(void)
{
        become_receivers();
}

static void nowhere_to_put_it(void)
{
        become_receivers();
        made->count = 0;
        made_stand[1].to = NULL;
}

static void nothing_to_send(void)
{
        made_stand[1].from = NULL;
}

static void finished_and_open(void)
{
        made->finished = true;
}

static void no_buffer(void)
{
        made->capacity = made->count = made->first = 0;
        rn_list_remove(&made_stand[1].link);
        made_stand[1].to = &made_item;
        rn_list_push(&made->receivers, &made_stand[1].link);
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const broken_way ways[] = {
                {too_many_items, "a channel has more items than it has room for"},
                {the_first_is_outside, "the first item of a channel is outside of its buffer"},
                {a_first_without_a_buffer, "the first item of a channel is outside of its buffer"},
                {the_senders_are_torn, broken_links},
                {the_receivers_are_torn, broken_links},
                {finished_and_open, "a channel is open, and nobody will send to it"},
                {closed_and_waited_for, "somebody waits for a channel that is closed"},
                {room_and_a_sender_waits, "a sender waits, and there is room"},
                {an_item_and_a_receiver_waits, "a receiver waits, and there is an item"},
                {no_buffer, "a sender and a receiver wait for each other"},
                {nothing_to_send, "a sender has nothing to send"},
                {nowhere_to_put_it, "a receiver has nowhere to put an item"},
        };
        broken_each(make, ask, ways, COUNT(ways));
        make();
        no_buffer();
        made_stand[1].turn = &made_turn[0]; /* both of one rein_select, which does not meet itself */
        assert_null(rn_chan_wrong(made));
        make();
        rn_store32(&made_turn[0].chosen, 2); /* by another channel: they will leave */
        rn_store32(&made_turn[1].chosen, 2);
        room_and_a_sender_waits();
        closed_and_waited_for();
        assert_null(rn_chan_wrong(made));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_items_come_in_order_through_the_buffer),
                cmocka_unit_test(test_wrong_callers_are_told),
                cmocka_unit_test(test_receivers_and_senders_are_served_in_order),
                cmocka_unit_test(test_a_sender_goes_on_as_soon_as_there_is_room),
                cmocka_unit_test(test_who_is_cancelled_sends_and_receives_nothing),
                cmocka_unit_test(test_a_close_lets_everybody_go),
                cmocka_unit_test(test_what_is_left_over_is_released_in_order),
                cmocka_unit_test(test_every_item_arrives_once),
                cmocka_unit_test(test_what_does_not_add_up_is_told),
        };
        return cmocka_run_group_tests(tests, crew_open, crew_close);
}
