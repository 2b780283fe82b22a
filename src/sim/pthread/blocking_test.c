/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the kernel: those that would block are refused by name, all others are done. */
#include "simulate.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int ends[2], sockets[2], listener, client, epoll, files[2];
static char big[256 * 1024];
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static int set_up(void **state)
{
        (void)state;
        char path[] = "/tmp/rein-blocking.XXXXXX";
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0); /* a name of its own */
        socklen_t length = sizeof address;
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
        assert_int_equal(listen(listener, 1), 0);
        client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        epoll = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event e = {.events = EPOLLIN};
        assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &e), 0);
        files[0] = mkostemp(path, O_CLOEXEC);
        files[1] = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(unlink(path), 0);
        assert_true(files[1] >= 0);
        return 0;
}

static int tear_down(void **state)
{
        const int all[] = {ends[0], ends[1], sockets[0], sockets[1], listener, client, epoll, files[0], files[1]};
        (void)state;
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
                assert_int_equal(close(all[i]), 0);
        return 0;
}

/* ---- what would block ---- */

static ssize_t b_read(void)
{
        return read(ends[0], big, 1);
}

static ssize_t b_readv(void)
{
        return readv(ends[0], &(struct iovec){big, 1}, 1);
}

static ssize_t b_recv(void)
{
        return recv(sockets[0], big, 1, 0);
}

static ssize_t b_recvfrom(void)
{
        return recvfrom(sockets[0], big, 1, 0, NULL, NULL);
}

static ssize_t b_recvmsg(void)
{
        return recvmsg(sockets[0], &(struct msghdr){0}, 0);
}

static ssize_t b_write(void)
{
        return write(ends[1], big, sizeof big);
}

static ssize_t b_accept(void)
{
        return accept(listener, NULL, NULL);
}

static ssize_t b_accept4(void)
{
        return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static ssize_t b_connect(void)
{
        return connect(client, (struct sockaddr *)&address, sizeof address);
}

static ssize_t b_poll(void)
{
        return poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 1000);
}

static ssize_t b_ppoll(void)
{
        return ppoll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, NULL, NULL);
}

static ssize_t b_select(void)
{
        fd_set set;
        FD_ZERO(&set);
        FD_SET(ends[0], &set);
        return select(ends[0] + 1, &set, NULL, NULL, NULL);
}

static ssize_t b_pselect(void)
{
        fd_set set;
        FD_ZERO(&set);
        FD_SET(ends[0], &set);
        return pselect(ends[0] + 1, NULL, NULL, &set, &(struct timespec){.tv_sec = 1}, NULL);
}

static ssize_t b_epoll_wait(void)
{
        return epoll_wait(epoll, &(struct epoll_event){0}, 1, -1);
}

static ssize_t b_epoll_pwait(void)
{
        return epoll_pwait(epoll, &(struct epoll_event){0}, 1, 5, NULL);
}

static ssize_t b_flock(void)
{
        return flock(files[1], LOCK_EX);
}

static pid_t child;

static ssize_t b_waitpid(void)
{
        return waitpid(child, NULL, 0);
}

static ssize_t b_wait(void)
{
        return wait(NULL);
}

static ssize_t b_waitid(void)
{
        return waitid(P_PID, (id_t)child, NULL, WEXITED);
}

static ssize_t b_pause(void)
{
        return pause();
}

static ssize_t b_sigwait(void)
{
        sigset_t set;
        int signo;
        sigemptyset(&set);
        return sigwait(&set, &signo);
}

static ssize_t b_fork(void)
{
        return fork();
}

static int call(void *arg)
{
        return (int)(*(ssize_t(**)(void))arg)();
}

static void what_would_block_is_refused_by_name(void **state)
{
        static const struct {
                const char *words;
                ssize_t (*fn)(void);
        } calls[] = {
                {"would block in read of descriptor ", b_read},
                {"would block in readv of descriptor ", b_readv},
                {"would block in recv of descriptor ", b_recv},
                {"would block in recvfrom of descriptor ", b_recvfrom},
                {"would block in recvmsg of descriptor ", b_recvmsg},
                {"would block in accept of descriptor ", b_accept},
                {"would block in accept4 of descriptor ", b_accept4},
                {"would block in connect of descriptor ", b_connect},
                {"would block in poll", b_poll},
                {"would block in ppoll", b_ppoll},
                {"would block in select", b_select},
                {"would block in pselect", b_pselect},
                {"would block in epoll_wait", b_epoll_wait},
                {"would block in epoll_pwait", b_epoll_pwait},
                {"would block in flock of descriptor ", b_flock},
                {"would block in waitpid", b_waitpid},
                {"would block in waitpid", b_wait},
                {"would block in waitid", b_waitid},
                {"would block in pause", b_pause},
                {"would block in sigwait", b_sigwait},
                {"would block in write of descriptor ", b_write}, /* from here on there is something to read */
                {"called fork, which is not simulated", b_fork},
        };
        (void)state;
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                for (prctl(PR_SET_PDEATHSIG, SIGKILL);;)
                        pause(); /* until it is killed */
        assert_int_equal(flock(files[0], LOCK_EX), 0);
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
                ssize_t (*fn)(void) = calls[i].fn;
                int rc = program_explore(call, &fn, 0);
                if (rc != REIN_EFOUND || report.ended != REIN_SIM_MISUSE ||
                    !strstr(rein_error_text(rein_trail()), calls[i].words))
                        fail_msg("not refused: %s; %s", calls[i].words, rc ? rein_error_text(rein_trail()) : "");
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
}

/* ---- what would not ---- */

static int does_not_block(void *arg)
{
        char c[3] = "ab";
        int fd;
        (void)arg;
        CHECK(write(ends[1], c, 2) == 2);
        CHECK(poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, -1) == 1);
        CHECK(ppoll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, NULL, NULL) == 1);
        CHECK(epoll_wait(epoll, &(struct epoll_event){0}, 1, -1) == 1);
        CHECK(b_select() == 1);
        CHECK(read(ends[0], c, 1) == 1 && c[0] == 'a');
        CHECK(readv(ends[0], &(struct iovec){c, 1}, 1) == 1 && c[0] == 'b');
        CHECK(poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 0) == 0);
        CHECK(epoll_wait(epoll, &(struct epoll_event){0}, 1, 0) == 0);

        CHECK(send(sockets[1], c, 1, 0) == 1 && sendto(sockets[1], c, 1, 0, NULL, 0) == 1);
        CHECK(writev(sockets[1], &(struct iovec){c, 1}, 1) == 1);
        CHECK(sendmsg(sockets[1], &(struct msghdr){.msg_iov = &(struct iovec){c, 1}, .msg_iovlen = 1}, 0) == 1);
        CHECK(recv(sockets[0], c, 1, 0) == 1 && recvfrom(sockets[0], c, 1, 0, NULL, NULL) == 1);
        CHECK(recvmsg(sockets[0], &(struct msghdr){.msg_iov = &(struct iovec){c, 2}, .msg_iovlen = 1}, 0) == 2);
        CHECK(recv(sockets[0], c, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);

        CHECK(pwrite(files[0], "x", 1, 0) == 1 && lseek(files[0], 0, SEEK_SET) == 0);
        CHECK(read(files[0], c, 1) == 1 && c[0] == 'x' && read(files[0], c, 1) == 0); /* a regular file never blocks */
        CHECK(flock(files[0], LOCK_EX) == 0 && flock(files[1], LOCK_EX | LOCK_NB) == -1);
        CHECK(flock(files[0], LOCK_UN) == 0 && flock(files[1], LOCK_EX) == 0 && flock(files[1], LOCK_UN) == 0);
        CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD && wait(NULL) == -1 && errno == ECHILD);
        CHECK(waitid(P_ALL, 0, NULL, WEXITED) == -1 && errno == ECHILD);
        CHECK((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) >= 0);
        CHECK(connect(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 6) == 0);
        int other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        CHECK(other >= 0 && close(other) == 0 && close(fd) == 0);
        CHECK(read(-1, c, 1) == -1 && errno == EBADF);
        int full[2];
        CHECK(pipe2(full, O_NONBLOCK | O_CLOEXEC) == 0);
        ssize_t part = write(full[1], big, sizeof big); /* as much as fits */
        CHECK(part > 0 && part < (ssize_t)sizeof big);
        CHECK(write(full[1], big, sizeof big) == -1 && errno == EAGAIN);
        CHECK(close(full[0]) == 0 && close(full[1]) == 0);
        return 0;
}

static void what_does_not_block_is_done(void **state)
{
        (void)state;
        assert_int_equal(flock(files[0], LOCK_UN), 0);
        program_passes(does_not_block);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_would_block_is_refused_by_name, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_does_not_block_is_done, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
