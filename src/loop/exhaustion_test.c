/* SPDX-License-Identifier: Apache-2.0 */
/* A loop whose process has no descriptors left: what needs one says -EMFILE, everybody else goes on, and when there is one
 * again the connections that waited are served. */
#include <rein/loop.h>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "need.h"

enum { ROOM = 12, BACKLOG = 64 };

typedef struct shop {
        int listener, refused, served;
        uint64_t ticks;
        bool closing;
} shop;

static int serve(void *arg)
{
        shop *s = arg;
        int fd;
        while ((fd = rein_accept(s->listener, REIN_NEVER)) >= 0 || fd == -EMFILE) {
                if (fd == -EMFILE) {
                        s->refused++;
                        NEED(rein_sleep(rein_after(REIN_MS(1))) == 0);
                        continue;
                }
                NEED(rein_write(fd, "x", 1, REIN_NEVER) == 1);
                NEED(rein_close(fd) == 0);
                s->served++;
        }
        return fd == -EBADF ? 0 : fd;
}

static int tick(void *arg)
{
        shop *s = arg;
        while (!s->closing) {
                NEED(rein_sleep(rein_after(REIN_MS(1))) == 0);
                s->ticks++;
        }
        return 0;
}

static int visit(shop *s, const char *port)
{
        int fd[ROOM], n = 0;
        rein_group servers;
        int spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
        NEED(spare >= 0);
        while (n < ROOM && (fd[n] = rein_connect("127.0.0.1", port, REIN_NEVER)) >= 0)
                n++;
        NEED(n > 1 && n < ROOM && fd[n] == -EMFILE);
        NEED(rein_listen("127.0.0.1", "0", 1) == -EMFILE);

        rein_group_open(&servers, NULL);
        rein_spawn(&servers, NULL, serve, s, NULL);
        rein_spawn(&servers, NULL, tick, s, NULL);
        while (s->refused < 3 || s->ticks < 3)
                NEED(rein_sleep(REIN_NOWAIT) == 0);
        NEED(s->served == 0);
        NEED(rein_loop_new(NULL) == NULL && rein_error_code(rein_trail()) == -EMFILE);

        close(spare);
        for (int i = 0; i < n; i++) {
                char got = 0;
                NEED(rein_read(fd[i], &got, 1, REIN_NEVER) == 1 && got == 'x');
                NEED(rein_close(fd[i]) == 0);
        }
        NEED(s->served == n);
        s->closing = true;
        NEED(rein_close(s->listener) == 0);
        return rein_group_close(&servers, 0);
}

static int without_descriptors(void *arg)
{
        (void)arg;
        struct sockaddr_in at;
        socklen_t size = sizeof at;
        struct rlimit had, few;
        char port[16];
        shop s = {.listener = rein_listen("127.0.0.1", "0", BACKLOG)};
        NEED(s.listener >= 0 && getsockname(s.listener, (struct sockaddr *)&at, &size) == 0);
        snprintf(port, sizeof port, "%u", ntohs(at.sin_port));
        int next = fcntl(s.listener, F_DUPFD_CLOEXEC, 0);
        close(next);
        NEED(next >= 0 && getrlimit(RLIMIT_NOFILE, &had) == 0);
        few = (struct rlimit){.rlim_cur = (rlim_t)next + ROOM / 2, .rlim_max = had.rlim_max};
        NEED(setrlimit(RLIMIT_NOFILE, &few) == 0);
        int rc = visit(&s, port);
        NEED(setrlimit(RLIMIT_NOFILE, &had) == 0);
        return rc;
}

static void goes_on(bool portable)
{
        int rc = rein_run(without_descriptors, NULL, REIN_LOOP(.portable = portable));
        if (rc < 0)
                rein_error_print(stderr, rein_trail());
        assert_int_equal(rc, 0);
}

static void test_without_descriptors_a_loop_goes_on_and_serves_when_there_are_some_again(void **state)
{
        (void)state;
        goes_on(false);
        goes_on(true);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_descriptors_a_loop_goes_on_and_serves_when_there_are_some_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
