/* SPDX-License-Identifier: Apache-2.0 */
/* examples/http_service from outside: the program itself, spoken to over sockets of our own. States and counts; where
 * a deadline of the service must pass, it is short, and what is waited for is that the client was cut. */
#include "command.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#define SERVICE REIN_BINARY_DIR "/examples/http_service"
#define LONG    "60000" /* ms: a limit that no test reaches */

static struct command service;
static int port;

/* ---- a client ---- */

typedef struct conn {
        int fd, status;
        size_t had; /* of text, read and not yet taken */
        char text[16384], head[512], body[512];
        bool closes;
} conn;

static bool says(const char *text)
{
        char *out = read_fd(service.out);
        bool found = strstr(out, text);
        free(out);
        return found;
}

static void start_service(const char *request_ms, const char *drain_ms)
{
        if (access(SERVICE, X_OK) < 0)
                skip(); /* built only where its libraries are */
        service = start_with(NULL, ARGV(SERVICE, "0", request_ms, drain_ms));
        UNTIL(says("\n") || has_ended(&service));
        char *out = read_fd(service.out);
        assert_int_equal(sscanf(out, "listening on port %d\n", &port), 1);
        free(out);
}

static int try_to_connect(int receive_buffer)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        struct timeval patience = {patience_s(), 0};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (receive_buffer)
                setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
                return fd;
        close(fd);
        return -1;
}

static conn client(void)
{
        conn c = {.fd = try_to_connect(0)};
        assert_true(c.fd >= 0);
        return c;
}

static void leave(conn *c)
{
        close(c->fd);
}

static void send_text(conn *c, const char *text)
{
        size_t n = strlen(text);
        assert_int_equal(send(c->fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void ask(conn *c, const char *path)
{
        char text[512];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: here\r\n\r\n", path);
        send_text(c, text);
}

/* The next answer; false: the connection ended before it. */
static bool hear(conn *c)
{
        for (;;) {
                size_t length = 0;
                c->text[c->had] = '\0';
                char *end = strstr(c->text, "\r\n\r\n");
                if (end) {
                        char *at = strstr(c->text, "Content-Length: ");
                        assert_true(at && at < end);
                        assert_int_equal(sscanf(c->text, "HTTP/1.1 %d ", &c->status), 1);
                        length = strtoul(at + strlen("Content-Length: "), NULL, 10);
                        end += 4;
                }
                size_t whole = end ? (size_t)(end - c->text) + length : 0;
                if (end && c->had >= whole) {
                        snprintf(c->head, sizeof c->head, "%.*s", (int)(end - c->text), c->text);
                        snprintf(c->body, sizeof c->body, "%.*s", (int)length, end);
                        c->closes = strstr(c->head, "Connection: close") != NULL;
                        memmove(c->text, c->text + whole, c->had - whole);
                        c->had -= whole;
                        return true;
                }
                ssize_t n = recv(c->fd, c->text + c->had, sizeof c->text - 1 - c->had, 0);
                assert_true(n >= 0 || errno == ECONNRESET);
                if (n <= 0)
                        return false;
                c->had += (size_t)n;
        }
}

static int get(conn *c, const char *path)
{
        ask(c, path);
        return hear(c) ? c->status : -1;
}

static bool can_be_read(const conn *c)
{
        return poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, 0) == 1;
}

/* /status on a connection of its own. */
static bool pools_are(const char *line)
{
        conn c = client();
        assert_int_equal(get(&c, "/status"), 200);
        leave(&c);
        return strstr(c.body, line) != NULL;
}

/* Others are served all the while. */
static void expect_served(int n)
{
        conn c = client();
        for (int i = 0; i < n; i++)
                assert_int_equal(get(&c, "/fast"), 200);
        assert_int_equal(get(&c, "/slow?3"), 200);
        assert_string_equal(c.body, "slow 3\n");
        leave(&c);
}

/* Returns: what it printed, the caller's. */
static char *end_service(void)
{
        kill(service.pid, SIGTERM);
        finish(&service);
        EXPECT_STATUS(service, 0);
        assert_string_equal(service.stderr_text, "");
        expect_within(service.stdout_text, "drained: success\n");
        char *out = strdup(service.stdout_text);
        release(&service);
        return out;
}

/* ---- requests ---- */

static void a_connection_is_kept_alive_until_somebody_says_close(void **state)
{
        (void)state;
        start_service(LONG, LONG);
        conn c = client();
        assert_int_equal(get(&c, "/fast"), 200);
        assert_string_equal(c.body, "fast 5381\n");
        assert_int_equal(get(&c, "/slow?1000"), 200);
        assert_string_equal(c.body, "slow 1000\n");
        assert_int_equal(get(&c, "/nothing"), 404);
        assert_false(c.closes);
        for (const char *b = "GET /fast?x HTTP/1.1\r\nA: b\r\n\r\n"; *b; b++) /* in pieces of a byte */
                send_text(&c, (char[]){*b, '\0'});
        assert_true(hear(&c));
        assert_string_equal(c.body, "fast 177693\n");
        send_text(&c, "GET /fast HTTP/1.1\r\nConnection: close\r\n\r\n");
        assert_true(hear(&c) && c.status == 200 && c.closes);
        assert_false(hear(&c));
        leave(&c);
        c = client();
        send_text(&c, "GET /fast HTTP/1.0\r\n\r\n");
        assert_true(hear(&c) && c.status == 200 && c.closes);
        assert_false(hear(&c));
        leave(&c);
        free(end_service());
}

static void pipelined_requests_are_answered_in_their_order(void **state)
{
        (void)state;
        char text[8192];
        size_t n = 0;
        start_service(LONG, LONG);
        conn c = client();
        for (int i = 1; i <= 40; i++)
                n += (size_t)snprintf(text + n, sizeof text - n, "GET /%s?%d HTTP/1.1\r\nHost: here\r\n\r\n",
                                      i % 4 ? "slow" : "none", i);
        send_text(&c, text);
        for (int i = 1; i <= 40; i++) {
                assert_true(hear(&c));
                snprintf(text, sizeof text, "slow %d\n", i);
                assert_int_equal(c.status, i % 4 ? 200 : 404);
                assert_string_equal(c.body, i % 4 ? text : "there is nothing here\n");
        }
        assert_false(can_be_read(&c));
        leave(&c);
        free(end_service());
}

static void what_is_not_a_request_for_it_is_refused_and_closed(void **state)
{
        (void)state;
        char header[6000], url[400];
        memset(header, 'h', sizeof header);
        memcpy(header, "GET /fast HTTP/1.1\r\nLong: ", 26);
        header[sizeof header - 1] = '\0';
        memset(url, 'u', sizeof url);
        memcpy(url, "GET /", 5);
        strcpy(url + sizeof url - 14, " HTTP/1.1\r\n\r\n");
        const struct {
                const char *text;
                int status;
        } all[] = {
                {"this is not HTTP\r\n\r\n", 400},
                {"GET /fast HTTP/1.1\r\nno colon\r\n\r\n", 400},
                {"GET /fast HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
                {header, 431},
                {url, 414},
                {"POST /fast HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", 405},
                {"GET /fast HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", 413},
        };
        start_service(LONG, LONG);
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
                conn c = client();
                send_text(&c, all[i].text);
                assert_true(hear(&c));
                assert_int_equal(c.status, all[i].status);
                assert_true(c.closes);
                shutdown(c.fd, SHUT_WR);
                assert_false(hear(&c));
                leave(&c);
        }
        expect_served(3);
        free(end_service());
}

/* ---- trouble on one route ---- */

enum { FLOOD = 30, THREADS = 2, QUEUE = 8 };

static void a_flood_of_what_is_stuck_is_refused_beyond_its_queue_and_harms_no_other_route(void **state)
{
        (void)state;
        conn c[FLOOD];
        int refused;
        start_service(LONG, "1000");
        for (int i = 0; i < FLOOD; i++) {
                if (i == THREADS)
                        UNTIL(pools_are("/stuck 2 unfinished, 0 queued\n"));
                c[i] = client();
                ask(&c[i], "/stuck");
        }
        expect_served(100);
        UNTIL(pools_are("/stuck 10 unfinished, 8 queued\n"));
        for (refused = 0; refused < FLOOD - THREADS - QUEUE;) { /* each of the others */
                struct pollfd p[FLOOD];
                for (int i = 0; i < FLOOD; i++)
                        p[i] = (struct pollfd){.fd = c[i].fd, .events = POLLIN};
                assert_true(poll(p, FLOOD, patience_s() * 1000) > 0);
                for (int i = 0; i < FLOOD; i++) {
                        if (!p[i].revents)
                                continue;
                        assert_true(hear(&c[i]));
                        assert_int_equal(c[i].status, 503);
                        assert_false(c[i].closes); /* and may use another route */
                        assert_int_equal(get(&c[i], "/fast"), 200);
                        refused++;
                }
        }
        assert_int_equal(refused, FLOOD - THREADS - QUEUE);
        expect_served(100);
        assert_true(pools_are("/stuck 10 unfinished, 8 queued\n"));

        char *out = end_service(); /* by its deadline, though nothing stops those two */
        expect_within(out, "/fast: success, 0 jobs in the receipt\n");
        expect_within(out, "/slow: success, 0 jobs in the receipt\n");
        expect_within(out, "/stuck: REIN_ESTUCK, 10 jobs in the receipt\n");
        assert_int_equal(count_of(out, "job '/stuck' on 'stuck': abandoned"), THREADS);
        assert_int_equal(count_of(out, "; still running\n"), THREADS);
        assert_int_equal(count_of(out, "job '/stuck' on 'stuck': never started"), QUEUE);
        free(out);
        for (int i = refused = 0; i < FLOOD; i++) { /* who was waiting was told */
                if (c[i].status == 0 && hear(&c[i])) {
                        assert_true(c[i].status == 503 || c[i].status == 504);
                        refused++;
                }
                leave(&c[i]);
        }
        assert_int_equal(refused, THREADS + QUEUE);
}

static void what_takes_too_long_is_interrupted_or_abandoned_and_answered(void **state)
{
        (void)state;
        start_service("200", "1000");
        conn a = client(), b = client();
        ask(&a, "/slow?1000000000000");
        ask(&b, "/stuck");
        assert_true(hear(&a) && hear(&b));
        assert_int_equal(a.status, 504);
        assert_int_equal(b.status, 504);
        assert_true(pools_are("/slow 0 unfinished")); /* its thread is free again */
        assert_true(pools_are("/stuck 1 unfinished"));
        leave(&a);
        leave(&b);
        expect_served(10);
        char *out = end_service();
        expect_within(out, "/slow: success, 0 jobs in the receipt\n");
        expect_within(out, "/stuck: REIN_ESTUCK, 1 jobs in the receipt\n");
        free(out);
}

/* ---- clients that mean no good ---- */

static void a_client_that_sends_a_byte_now_and_then_is_cut(void **state)
{
        (void)state;
        conn slow[20];
        start_service("500", LONG);
        for (int i = 0; i < 20; i++) {
                slow[i] = client();
                send_text(&slow[i], "GET /fast HTTP/1.1\r\nX: ");
        }
        int open = 20;
        while (open > 0) {
                expect_served(1);
                poll(NULL, 0, 10); /* foreign: this is the slow client's slowness */
                for (int i = 0; i < 20; i++) {
                        char byte;
                        if (slow[i].fd < 0)
                                continue;
                        ssize_t n = recv(slow[i].fd, &byte, 1, MSG_DONTWAIT);
                        if (n < 0 && errno == EAGAIN) {
                                send(slow[i].fd, "x", 1, MSG_NOSIGNAL);
                                continue;
                        }
                        assert_true(n == 0 || errno == ECONNRESET); /* cut, without an answer */
                        close(slow[i].fd);
                        slow[i].fd = -1;
                        open--;
                }
        }
        expect_served(10);
        free(end_service());
}

static void a_client_that_never_reads_is_cut(void **state)
{
        (void)state;
        static const char request[] = "GET /fast HTTP/1.1\r\n\r\n";
        start_service("500", LONG);
        conn c = {.fd = try_to_connect(4096)};
        assert_true(c.fd >= 0);
        for (;;) { /* until it is reset: nothing of what it is answered was read */
                ssize_t n = send(c.fd, request, sizeof request - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno != EAGAIN)
                        break;
                if (n < 0)
                        expect_served(1);
                else if (n < (ssize_t)sizeof request - 1)
                        send(c.fd, request + n, sizeof request - 1 - (size_t)n, MSG_NOSIGNAL);
        }
        assert_true(errno == ECONNRESET || errno == EPIPE);
        expect_served(10);
        leave(&c);
        free(end_service());
}

static void clients_beyond_the_limit_are_served_when_others_have_left(void **state)
{
        (void)state;
        enum { MANY = 510 };
        static conn c[MANY];
        start_service("1000", LONG);
        for (int i = 0; i < MANY; i++)
                c[i] = client();
        assert_int_equal(get(&c[MANY - 1], "/fast"), 200); /* the idle ones were cut for it */
        for (int i = 0; i < MANY; i++)
                leave(&c[i]);
        expect_served(10);
        free(end_service());
}

/* ---- the end ---- */

static void what_is_in_flight_ends_well_in_a_drain(void **state)
{
        (void)state;
        start_service(LONG, LONG);
        conn working = client(), idle = client(), half = client();
        assert_int_equal(get(&idle, "/fast"), 200);
        send_text(&half, "GET /fast HT");
        ask(&working, "/slow?2000000");
        UNTIL(pools_are("/slow 1 unfinished, 0 queued\n"));
        kill(service.pid, SIGTERM);
        assert_false(hear(&idle));
        assert_false(hear(&half));
        assert_int_equal(try_to_connect(0), -1);
        assert_true(hear(&working));
        assert_int_equal(working.status, 200);
        assert_string_equal(working.body, "slow 2000000\n");
        assert_true(working.closes);
        assert_false(hear(&working));
        char *out = end_service(); /* at once, although it has a minute */
        assert_int_equal(count_of(out, ": success, 0 jobs in the receipt\n"), 3);
        free(out);
        leave(&working);
        leave(&idle);
        leave(&half);
}

static void an_interrupt_ends_it_at_once(void **state)
{
        (void)state;
        start_service(LONG, "1000");
        conn c = client(), idle = client();
        ask(&c, "/slow?1000000000000");
        UNTIL(pools_are("/slow 1 unfinished, 0 queued\n"));
        kill(service.pid, SIGINT);
        finish(&service);
        EXPECT_STATUS(service, 0);
        /* The query of hours was stopped, or there would be no end: by its client's cancel, or by the pool's stop. */
        expect_within(service.stdout_text, "drained: REIN_ECANCELED\n");
        release(&service);
        leave(&c);
        leave(&idle);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_connection_is_kept_alive_until_somebody_says_close),
                TEST(pipelined_requests_are_answered_in_their_order),
                TEST(what_is_not_a_request_for_it_is_refused_and_closed),
                TEST(a_flood_of_what_is_stuck_is_refused_beyond_its_queue_and_harms_no_other_route),
                TEST(what_takes_too_long_is_interrupted_or_abandoned_and_answered),
                TEST(a_client_that_sends_a_byte_now_and_then_is_cut),
                TEST(a_client_that_never_reads_is_cut),
                TEST(clients_beyond_the_limit_are_served_when_others_have_left),
                TEST(what_is_in_flight_ends_well_in_a_drain),
                TEST(an_interrupt_ends_it_at_once),
        };
        signal(SIGINT, SIG_DFL); /* for what is started: a shell may have it ignored in the background */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
