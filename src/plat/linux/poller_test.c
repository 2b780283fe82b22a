/* SPDX-License-Identifier: Apache-2.0 */
/* Pollers: what does not add up in one. What they do is in src/loop/poller_test.c. */
#include "broken.h"

#include "plat/linux/poller.h"

static struct pollfd made_set[4];
static rn_poller made;

/* By poll(2), with two descriptors. */
static void make(void)
{
        made = (rn_poller){
                .epoll = -1, .bell = 3, .alarm = -1, .set = made_set, .count = 3, .room = 4, .alarm_at = RN_NEVER};
        made_set[0] = (struct pollfd){.fd = 3, .events = POLLIN};
        made_set[1] = (struct pollfd){.fd = 5, .events = POLLIN};
        made_set[2] = (struct pollfd){.fd = 6, .events = POLLOUT};
}

/* By epoll(7), hosted. */
static void make_hosted(void)
{
        made = (rn_poller){.epoll = 4, .bell = 3, .alarm = 7, .alarm_at = 1000};
}

static const char *ask(void)
{
        return rn_poller_wrong(&made);
}

static void no_bell(void)
{
        made.bell = -1;
}

static void the_bell_is_the_poller(void)
{
        made.epoll = made.bell;
}

static void the_bell_is_the_alarm(void)
{
        made.alarm = made.bell;
}

static void the_alarm_is_the_poller(void)
{
        made.alarm = made.epoll;
}

static void an_alarm_without_a_host(void)
{
        made.alarm = -1;
        made.alarm_at = 1000;
}

static void an_alarm_without_a_descriptor(void)
{
        made.alarm = 7;
}

static void a_table_with_epoll(void)
{
        made.set = made_set;
}

static void no_table(void)
{
        made.set = NULL;
}

static void not_even_the_bell(void)
{
        made.count = 0;
}

static void fuller_than_its_room(void)
{
        made.count = 5;
}

static void the_bell_is_not_first(void)
{
        made_set[0].fd = 5;
}

static void the_bell_is_watched_for_nothing(void)
{
        made_set[0].events = 0;
}

static void watches_none(void)
{
        made_set[1].fd = -1;
}

static void watches_its_bell(void)
{
        made_set[2].fd = made.bell;
}

static void watches_for_nothing(void)
{
        made_set[2].events = 0;
}

static void watches_one_twice(void)
{
        made_set[2].fd = made_set[1].fd;
}

static void test_what_does_not_add_up_is_told(void **state)
{
        (void)state;
        static const char own[] = "a poller has lost a descriptor of its own, or has it twice",
                          full[] = "the table of a poller is fuller than there is room",
                          bell[] = "the first in the table of a poller is not its bell",
                          wrong[] = "a poller watches a descriptor that is none, or its own, or for nothing";
        static const broken_way by_poll[] = {
                {no_bell, own},
                {an_alarm_without_a_host, "a poller that nobody hosts has an alarm"},
                {an_alarm_without_a_descriptor, "a poller without a descriptor has an alarm"},
                {no_table, full},
                {not_even_the_bell, full},
                {fuller_than_its_room, full},
                {the_bell_is_not_first, bell},
                {the_bell_is_watched_for_nothing, bell},
                {watches_none, wrong},
                {watches_its_bell, wrong},
                {watches_for_nothing, wrong},
                {watches_one_twice, "a poller watches a descriptor twice"},
        };
        static const broken_way by_epoll[] = {
                {no_bell, own},
                {the_bell_is_the_poller, own},
                {the_bell_is_the_alarm, own},
                {the_alarm_is_the_poller, own},
                {an_alarm_without_a_host, "a poller that nobody hosts has an alarm"},
                {a_table_with_epoll, "a poller by epoll has a table"},
        };
        broken_each(make, ask, by_poll, COUNT(by_poll));
        broken_each(make_hosted, ask, by_epoll, COUNT(by_epoll));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_does_not_add_up_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
