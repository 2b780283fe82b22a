/* SPDX-License-Identifier: Apache-2.0 */
/* A message is one write; when memory for it is short, each write is of whole lines. */
#include "core/message.h"

#include <sys/socket.h>

#include "support.h"

/* A stream each of whose writes can be told from the next, and what was written. */
typedef struct writes {
        FILE *to;
        int ends[2];
        int count;
        char text[64][8192];
} writes;

static writes w;

static FILE *writes_begin(void)
{
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w.ends), 0);
        w.to = fdopen(w.ends[1], "w");
        assert_non_null(w.to);
        setvbuf(w.to, NULL, _IONBF, 0); /* as stderr */
        return w.to;
}

static int writes_end(void)
{
        fclose(w.to);
        w.count = 0;
        for (ssize_t n; (n = recv(w.ends[0], w.text[w.count], sizeof w.text[0] - 1, 0)) > 0; w.count++)
                w.text[w.count][n] = 0;
        close(w.ends[0]);
        return w.count;
}

static void test_a_message_of_many_parts_is_one_write(void **state)
{
        (void)state;
        rn_message m;
        char all[8192] = "";
        rn_message_begin(&m, writes_begin());
        for (int i = 0; i < 300; i++) {
                rn_message_add(&m, "line %d%s", i, "\n");
                snprintf(all + strlen(all), sizeof all - strlen(all), "line %d\n", i);
        }
        rn_message_end(&m);
        assert_int_equal(writes_end(), 1);
        assert_string_equal(w.text[0], all);
}

static void test_a_part_may_be_longer_than_all_the_room(void **state)
{
        (void)state;
        rn_message m;
        char part[4000];
        memset(part, 'x', sizeof part - 1);
        part[sizeof part - 1] = 0;
        rn_message_begin(&m, writes_begin());
        rn_message_add(&m, "a");
        rn_message_add(&m, "%s", part);
        rn_message_add(&m, "b\n");
        rn_message_end(&m);
        assert_int_equal(writes_end(), 1);
        assert_int_equal(strlen(w.text[0]), sizeof part + 2);
        assert_string_equal(w.text[0] + sizeof part - 1, "xb\n");
}

static void test_an_empty_message_is_no_write(void **state)
{
        (void)state;
        rn_message m;
        rn_message_begin(&m, writes_begin());
        rn_message_add(&m, "%s", "");
        rn_message_add_escaped(&m, "");
        rn_message_end(&m);
        assert_int_equal(writes_end(), 0);
}

static void test_control_characters_are_escaped_and_the_rest_is_not(void **state)
{
        (void)state;
        rn_message m;
        char text[2000];
        memset(text, 'y', sizeof text - 1);
        memcpy(text, "a\tb\x1b[1m\nc\x7f", 10);
        text[sizeof text - 1] = 0;
        rn_message_begin(&m, writes_begin());
        rn_message_add_escaped(&m, text);
        rn_message_add_escaped(&m, "\xc3\xa9\n");
        rn_message_end(&m);
        assert_int_equal(writes_end(), 1);
        assert_memory_equal(w.text[0], "a\\x09b\\x1b[1m\\x0ac\\x7fyyyy", 26);
        assert_string_equal(w.text[0] + strlen(w.text[0]) - 6, "\xc3\xa9\\x0a");
        assert_int_equal(strlen(w.text[0]), sizeof text - 1 + 4 * 3 + 2 + 4);
}

/* Nothing is lost, and each write ends with a line. */
static void test_without_memory_each_write_is_of_whole_lines(void **state)
{
        (void)state;
        rn_message m;
        char all[16384] = "", told[16384] = "";
        support_poor = true;
        rn_message_begin(&m, writes_begin());
        for (int i = 0; i < 200; i++) {
                rn_message_add(&m, "line %d", i);
                rn_message_add_escaped(&m, " is\tof several parts");
                rn_message_add(&m, "\n");
                snprintf(all + strlen(all), sizeof all - strlen(all), "line %d is\\x09of several parts\n", i);
        }
        rn_message_end(&m);
        support_poor = false;
        assert_true(writes_end() > 1);
        for (int i = 0; i < w.count; i++) {
                assert_int_equal(w.text[i][strlen(w.text[i]) - 1], '\n');
                strcat(told, w.text[i]);
        }
        assert_string_equal(told, all);
}

static void test_without_memory_a_line_longer_than_the_room_is_not_lost(void **state)
{
        (void)state;
        rn_message m;
        char line[3000], all[8192] = "", told[8192] = "";
        memset(line, 'z', sizeof line - 1);
        line[sizeof line - 1] = 0;
        support_poor = true;
        rn_message_begin(&m, writes_begin());
        rn_message_add(&m, "first\nthen ");
        rn_message_add(&m, "%s", line);
        rn_message_add(&m, "\n");
        rn_message_add_escaped(&m, line);
        rn_message_add(&m, "\nlast\n");
        rn_message_end(&m);
        support_poor = false;
        assert_true(writes_end() > 1);
        assert_string_equal(w.text[0], "first\n");
        for (int i = 0; i < w.count; i++)
                strcat(told, w.text[i]);
        snprintf(all, sizeof all, "first\nthen %s\n%s\nlast\n", line, line);
        assert_string_equal(told, all);
}

static void test_in_the_room_of_the_caller_nothing_is_allocated(void **state)
{
        (void)state;
        rn_message m;
        char room[64], told[1024] = "", all[1024] = "";
        rn_message_begin_in(&m, writes_begin(), room, sizeof room);
        for (int i = 0; i < 30; i++) {
                rn_message_add(&m, "line %d\n", i);
                snprintf(all + strlen(all), sizeof all - strlen(all), "line %d\n", i);
        }
        rn_message_end(&m);
        assert_ptr_equal(m.text, room);
        assert_true(writes_end() > 1);
        for (int i = 0; i < w.count; i++) {
                assert_int_equal(w.text[i][strlen(w.text[i]) - 1], '\n');
                strcat(told, w.text[i]);
        }
        assert_string_equal(told, all);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_message_of_many_parts_is_one_write),
                cmocka_unit_test(test_a_part_may_be_longer_than_all_the_room),
                cmocka_unit_test(test_an_empty_message_is_no_write),
                cmocka_unit_test(test_control_characters_are_escaped_and_the_rest_is_not),
                cmocka_unit_test(test_without_memory_each_write_is_of_whole_lines),
                cmocka_unit_test(test_without_memory_a_line_longer_than_the_room_is_not_lost),
                cmocka_unit_test(test_in_the_room_of_the_caller_nothing_is_allocated),
        };
        rn_choose_by(support_choose);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
