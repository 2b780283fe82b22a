/* SPDX-License-Identifier: Apache-2.0 */
/* A child process and its handle.
 *
 *      RUNS ---> ENDED (a zombie: the number is still its own) ---> GONE (reaped)
 *
 * The way to GONE is made once, by whoever looks first, under the handle's lock; signals are sent under it too, so that
 * none is sent to a number that is another's by then. `stopped_by` is the last rung somebody set foot on before that.
 *
 * The ladder takes its time whatever is cancelled: it waits without a look at the scope, needs no memory, and where it
 * cannot poll it naps and looks.
 *
 * A child that cannot be killed (in a system call that does not end) stays in the world's list when its handle is given back: later
 * starts and frees look whether it has ended. The same list tells the exit of the process whom to kill. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/handle.h"
#include "core/opts.h"
#include "core/ranges.h"
#include "core/text.h"
#include "core/world.h"
#include "core/wrong.h"
#include "io/child.h"
#include "io/fd.h"
#include "rein/future.h"
#include "rein/io.h"

enum { GRACE_MS = 2000, KILL_WAIT_S = 5 };

/* ---- does it add up? ---- */

#if RN_CHECKING

static const char *child_ends_wrong(const rein_child *c)
{
        for (int i = 0; i < 3; i++) {
                if (c->pipes[i] < 0)
                        continue;
                if (c->freed)
                        return "a child was given back, and an end of a pipe is still there";
                if (c->pipes[i] == c->pidfd || c->pipes[i] == c->pipes[(i + 1) % 3])
                        return "a descriptor of a child is there twice";
        }
        return NULL;
}

const char *rn_child_wrong(const rein_child *c)
{
        if (c->pid <= 1 || c->pidfd < 0)
                return "a child has no process";
        if (c->stopped_by && c->stopped_by != SIGTERM && c->stopped_by != SIGKILL)
                return "a child was stopped by none of the rungs";
        if (c->stuck && c->stopped_by != SIGKILL)
                return "a child could not be killed, and nobody tried";
        if (!c->gone && (c->end.signo || c->end.code > 0 || c->end.core_dumped))
                return "a child is there, and has an end";
        return child_ends_wrong(c);
}

static const char *children_ask(const rn_world *w, char *where, size_t n)
{
        size_t count;
        const char *what = rn_lock_held(&w->fd_lock) ? NULL : rn_list_wrong(&w->children, &count);
        snprintf(where, n, "the list of children");
        if (what || rn_lock_held(&w->fd_lock))
                return what;
        RN_LIST_EACH(l, &w->children) {
                const rein_child *c = RN_ITEM(l, rein_child, link);
                what = rn_lock_held(&c->lock) ? NULL : rn_child_wrong(c);
                if (what)
                        return what;
        }
        return NULL;
}

__attribute__((constructor)) static void children_ask_also(void)
{
        static rn_asker asker = {.world = children_ask};
        rn_ask_also(&asker);
}

#endif

static void child_lock(rein_child *c)
{
        rn_lock_take(&c->lock);
        RN_SOUND(rn_child_wrong(c));
}

static void child_unlock(rein_child *c)
{
        RN_SOUND(rn_child_wrong(c));
        rn_lock_give(&c->lock);
}

/* ---- the end ---- */

static bool child_look_locked(rein_child *c)
{
        RN_ASSERT(rn_lock_held(&c->lock), "a child is looked at under its lock");
        if (c->gone)
                return true;
        if (c->stopped_by && c->group) {
                if (rn_sys_child_ended(c->pidfd) <= 0)
                        return false;
                rn_sys_child_signal(c->pid, c->pidfd, true, SIGKILL); /* who is left of those who were told to go */
        }
        c->gone = rn_sys_child_reap(c->pidfd, &c->end) > 0;
        return c->gone;
}

static bool child_is_gone(rein_child *c)
{
        child_lock(c);
        bool gone = child_look_locked(c);
        child_unlock(c);
        return gone;
}

static int child_tell(rein_child *c, rein_child_end *end)
{
        if (!end)
                return 0;
        child_lock(c);
        rein_child_end all = {.gone = c->gone,
                              .core_dumped = c->end.core_dumped,
                              .code = c->end.code,
                              .signo = c->end.signo,
                              .stopped_by = c->stopped_by,
                              .user_ns = c->end.user_ns,
                              .system_ns = c->end.system_ns,
                              .memory_max = c->end.memory_max};
        child_unlock(c);
        all.size = end->size;
        memcpy(end, &all, end->size < sizeof all ? end->size : sizeof all);
        return 0;
}

/* ---- those there are ---- */

static void child_discard(rein_child *c)
{
        RN_ASSERT(c->gone && !rn_linked(&c->link), "a handle goes after its process, and is in no list");
        rn_sys_close_own(c->pidfd);
        rn_retire(c);
}

static void children_reap_freed(void)
{
        rn_world *world = rn_world_now();
        rn_link done, *next;
        rn_list_init(&done);
        rn_lock_take(&world->fd_lock);
        for (rn_link *l = world->children.next; l != &world->children; l = next) {
                rein_child *c = RN_ITEM(l, rein_child, link);
                next = l->next;
                if (c->freed && child_is_gone(c)) {
                        rn_list_remove(l);
                        rn_list_push(&done, l);
                }
        }
        rn_lock_give(&world->fd_lock);
        for (rn_link *l; (l = rn_list_pop(&done));)
                child_discard(RN_ITEM(l, rein_child, link));
}

static void children_kill_at_exit(void)
{
        rn_world *world = rn_world_now();
        rn_lock_take(&world->fd_lock);
        RN_LIST_EACH(l, &world->children) {
                rein_child *c = RN_ITEM(l, rein_child, link);
                child_lock(c);
                if (!child_look_locked(c))
                        rn_sys_child_signal(c->pid, c->pidfd, c->group, SIGKILL);
                child_unlock(c);
        }
        rn_lock_give(&world->fd_lock);
}

static void child_enlist(rein_child *c)
{
        rn_world *world = rn_world_now();
        rn_lock_take(&world->fd_lock);
        RN_ASSERT(!rn_linked(&c->link) && !c->gone, "a child is listed once, when it has just begun");
        rn_list_push(&world->children, &c->link);
        rn_lock_give(&world->fd_lock);
}

/* ---- starting ---- */

static int child_standard(const char *what, int number, rein_child_fd wish, int fds[3], int *ours, int *null)
{
        int ends[2], rc;
        switch (wish.kind) {
        case REIN_AS_OURS:
                fds[number] = number;
                return 0;
        case REIN_AS_FD:
                fds[number] = wish.fd;
                return 0;
        case REIN_AS_NULL:
                if (*null < 0)
                        *null = rn_sys_null();
                fds[number] = *null;
                return *null < 0 ? *null : 0;
        case REIN_AS_PIPE:
                rc = rn_sys_pipe(ends);
                if (rc < 0)
                        return rc;
                fds[number] = ends[number == 0 ? 0 : 1];
                *ours = ends[number == 0 ? 1 : 0];
                return rn_sys_not_blocking(*ours); /* the child's end is another description */
        case REIN_AS_OUT:
                if (number == 2) {
                        fds[2] = fds[1];
                        return 0;
                }
                break;
        default:
                break;
        }
        return rn_fail(-EINVAL, "rein_child_start", "`%s` is none of the REIN_CHILD_... that it can be", what);
}

static void child_close_those(const int fds[3], const rein_child_fd wish[3], int null)
{
        for (int i = 0; i < 3; i++)
                if (wish[i].kind == REIN_AS_PIPE && fds[i] >= 0)
                        rn_sys_close_own(fds[i]);
        if (null >= 0)
                rn_sys_close_own(null);
}

static int child_launch(rein_child *c, char *const argv[], const rein_child_opts *o)
{
        static const char *const names[] = {"in", "out", "err"};
        const rein_child_fd wish[3] = {o->in, o->out, o->err};
        rn_sys_child s = {.argv = argv,
                          .env = o->env,
                          .cwd = o->cwd,
                          .fds = {-1, -1, -1},
                          .own_group = c->group,
                          .own_session = o->session,
                          .share_fds = o->share_fds,
                          .keep_ignored = o->keep_ignored,
                          .limits = o->limits,
                          .limits_count = o->limits_count};
        int null = -1, rc = 0;
        for (int i = 0; i < 3; i++) /* before a pipe of ours gets its number */
                if (wish[i].kind == REIN_AS_FD && !rn_sys_is_open(wish[i].fd))
                        return rn_fail(-EBADF, "rein_child_start", "`%s`: descriptor %d is not open", names[i],
                                       wish[i].fd);
        for (int i = 0; i < 3 && rc == 0; i++)
                rc = child_standard(names[i], i, wish[i], s.fds, &c->pipes[i], &null);
        if (rc == 0) {
                rc = rn_sys_child_start(&s);
                if (rc == -ENOSYS && !*s.failed)
                        rc = rn_fail(rc, "rein_child_start", "this kernel has no pidfds: Linux 5.4 or later is needed");
                else if (rc < 0 && *s.failed)
                        rc = rn_fail(rc, "rein_child_start", "'%s' does not start: %s%s%s", argv[0], s.failed,
                                     o->cwd && strcmp(s.failed, "the directory") == 0 ? " " : "",
                                     o->cwd && strcmp(s.failed, "the directory") == 0 ? o->cwd : "");
        }
        child_close_those(s.fds, wish, null);
        c->pid = s.pid;
        c->pidfd = s.pidfd;
        return rc;
}

static void child_close_pipes(rein_child *c)
{
        for (int i = 0; i < 3; i++) {
                if (c->pipes[i] >= 0)
                        rn_sys_close_own(c->pipes[i]);
                c->pipes[i] = -1;
        }
}

/* Once for a process; a forked one inherits it. */
static int children_watch_exit(void)
{
        rn_world *world = rn_world_now();
        if (rn_load32(&world->children_watched))
                return 0;
        int rc = rn_at_exit(children_kill_at_exit);
        if (rc == 0)
                rn_store32(&world->children_watched, 1); /* twice does no harm */
        return rc;
}

static int child_start_now(rein_child **out, char *const argv[], const rein_child_opts *o)
{
        rein_child *c = rn_alloc(sizeof *c);
        if (!c)
                return -ENOMEM;
        c->process = rn_generation();
        c->pipes[0] = c->pipes[1] = c->pipes[2] = -1;
        c->group = o->session || !o->same_group;
        c->grace = o->grace_ns ? o->grace_ns : REIN_MS(GRACE_MS);
        const char *slash = strrchr(argv[0], '/');
        rn_text_copy(c->name, sizeof c->name, slash ? slash + 1 : argv[0]);
        int rc = children_watch_exit();
        if (rc == 0)
                rc = child_launch(c, argv, o);
        if (rc < 0) {
                child_close_pipes(c);
                rn_free(c);
                return rc;
        }
        child_enlist(c);
        *out = c;
        return 0;
}

typedef struct start_args {
        rein_child **out;
        char *const *argv;
        const rein_child_opts *opts;
} start_args;

static int child_start_call(void *arg)
{
        const start_args *e = arg;
        return child_start_now(e->out, e->argv, e->opts);
}

static bool child_is_not_now(int rc, const rein_child_opts *o)
{
        return rc == -EAGAIN || rc == -EMFILE || rc == -ENFILE || rc == -ETXTBSY || (rc == -ENOMEM && !o->limits_count);
}

int rein_child_start(rein_child **out, char *const argv[], const rein_child_opts *opts)
{
        RN_CALL();
        rein_child_opts o = {.size = sizeof o};
        const char *what = "a handle and a program are needed";
        rn_task *self;
        const int entered = rn_io_enter(&self);
        int rc = out && argv && argv[0] ? 0 : -EINVAL;
        if (rc == 0 && opts)
                rc = rn_opts_take(&o, sizeof o, opts, opts->size, &what);
        if (rc == 0 && (o.grace_ns < 0 || (o.limits_count && !o.limits))) {
                what = o.grace_ns < 0 ? "grace_ns must be " RN_SPAN_RANGE "; 0 is the default, 2 s"
                                      : "limits_count says that there are limits, and limits is NULL";
                rc = -EINVAL;
        }
        if (rc < 0)
                return rn_fail(rc, "rein_child_start", "%s", what);
        if (rn_virtual())
                return rn_fail(-ENOTSUP, "rein_child_start", "there are no processes in a simulation");
        if (entered < 0)
                return entered;
        children_reap_freed();
        start_args e = {out, argv, &o};
        for (int64_t nap = REIN_MS(1);; nap = nap < REIN_MS(64) ? 2 * nap : nap) {
                rc = self->backend->offload && !o.in_place
                             ? self->backend->offload(self, "rein_child_start", child_start_call, &e)
                             : child_start_call(&e);
                if (!child_is_not_now(rc, &o) || rn_clock() >= o.start_until.ns)
                        return rc;
                const int64_t soon = rein_after(nap).ns;
                int slept = rein_sleep(soon < o.start_until.ns ? REIN_TIME(soon) : o.start_until);
                if (slept < 0)
                        return slept;
        }
}

static int child_refused(const rein_child *c, const char *call)
{
        return rn_handle_refused(c->process, call, (rn_handle_words){"the child", "freed"}, NULL);
}

int rein_child_pipe(rein_child *c, int which)
{
        RN_TOLD_USED(c);
        if (c->process != rn_generation())
                return child_refused(c, "rein_child_pipe");
        if (which < 0 || which > 2)
                return -EBADF;
        child_lock(c);
        int fd = c->pipes[which];
        c->pipes[which] = -1;
        child_unlock(c);
        return fd < 0 ? -EBADF : fd;
}

int rein_child_pid(const rein_child *c)
{
        RN_TOLD_USED(c);
        return c->process == RN_GIVEN_BACK ? child_refused(c, "rein_child_pid") : c->pid;
}

int rein_child_pidfd(const rein_child *c)
{
        RN_TOLD_USED(c);
        return c->process == RN_GIVEN_BACK ? child_refused(c, "rein_child_pidfd") : c->pidfd;
}

/* ---- the ladder ---- */

int rein_child_signal(rein_child *c, int signo)
{
        RN_CALL();
        RN_TOLD_USED(c);
        if (c->process != rn_generation())
                return child_refused(c, "rein_child_signal");
        child_lock(c);
        int rc = c->gone ? -ESRCH : rn_sys_child_signal(c->pid, c->pidfd, c->group, signo);
        child_unlock(c);
        return rc == -EINVAL ? rn_fail(rc, "rein_child_signal", "signal %d: it must be from 0 to 64", signo) : rc;
}

/* false: it is gone. */
static bool child_step_on(rein_child *c, int rung)
{
        child_lock(c);
        bool there = !child_look_locked(c);
        RN_ASSERT(rung == SIGTERM || c->stopped_by, "a child is asked before it is killed");
        if (there) {
                c->stopped_by = c->stopped_by == SIGKILL ? SIGKILL : rung;
                rn_sys_child_signal(c->pid, c->pidfd, c->group, rung);
                if (rung == SIGTERM) /* else one that is stopped never gets to see it */
                        rn_sys_child_signal(c->pid, c->pidfd, c->group, SIGCONT);
        }
        child_unlock(c);
        return there;
}

static void child_nap(rn_task *self, const rein_child *c, int64_t until)
{
        int rc = self ? rn_poll_one(self, c->pidfd, RN_POLLIN, until) : rn_sys_poll_one(c->pidfd, RN_POLLIN, -1, until);
        int64_t soon = rn_clock() + REIN_MS(1);
        rn_a32 nothing = {0};
        if (rc >= 0)
                return;
        if (self)
                rn_park(self, soon < until ? soon : until);
        else
                rn_word_wait(&nothing, 0, soon < until ? soon : until);
}

static bool child_gone_by(rn_task *self, rein_child *c, int64_t until)
{
        bool gone;
        while (!(gone = child_is_gone(c)) && rn_clock() < until)
                child_nap(self, c, until);
        return gone;
}

/* It was waited for after SIGKILL, in vain: nobody waits so long again. */
static bool child_is_stuck(rein_child *c, bool now)
{
        child_lock(c);
        bool stuck = c->stuck |= now;
        child_unlock(c);
        return stuck;
}

static bool child_stop(rn_task *self, rein_child *c)
{
        rn_doing was = {0};
        if (self)
                was = rn_task_doing_for_ever(self, (rn_doing){"stopping a child", NULL});
        bool gone = child_is_gone(c);
        if (!gone && !child_is_stuck(c, false)) {
                gone = !child_step_on(c, SIGTERM) || child_gone_by(self, c, rein_after(c->grace).ns) ||
                       !child_step_on(c, SIGKILL) || child_gone_by(self, c, rein_after(REIN_SEC(KILL_WAIT_S)).ns);
                if (!gone)
                        child_is_stuck(c, true);
        }
        if (self)
                rn_task_doing_for_ever(self, was);
        return gone;
}

/* ---- waiting ---- */

static int child_look_at(const char *call, const rein_child *c, const rein_child_end *end)
{
        if (c->process != rn_generation())
                return child_refused(c, call);
        return end && end->size < sizeof(size_t) ? rn_fail(-EINVAL, call, "the size of the end is not set") : 0;
}

static int child_wait_for_end(rn_task *self, rein_child *c, int64_t until)
{
        rn_fd_call call;
        int rc = rn_fd_begin(&call, self, c->pidfd, "rein_child_wait");
        if (rc < 0)
                return rc;
        do
                rc = rn_fd_wait(&call, RN_POLLIN, until);
        while (rc > 0 && !child_is_gone(c));
        rn_fd_end(&call);
        return rc > 0 ? 0 : rc;
}

static int child_stopped(rein_child *c)
{
        child_lock(c);
        const char *rung = !c->stopped_by             ? "was cancelled as it ended"
                           : c->stopped_by == SIGTERM ? "left at SIGTERM"
                           : c->gone                  ? "was killed after its grace"
                                                      : "could not be killed";
        child_unlock(c);
        return rn_fail(REIN_ECANCELED, "rein_child_wait", "'%s' (process %d) %s", c->name, c->pid, rung);
}

int rein_child_wait(rein_child *c, rein_child_end *end, rein_time until)
{
        RN_CALL();
        RN_TOLD_USED(c);
        rn_task *self;
        const int entered = rn_io_enter(&self);
        int rc = child_look_at("rein_child_wait", c, end);
        if (rc < 0)
                return rc;
        if (!child_is_gone(c)) /* else it is told, cancelled or not */
                rc = entered < 0 ? entered : child_wait_for_end(self, c, until.ns);
        if (rc == REIN_ECANCELED)
                rc = child_stop(self, c) && !c->stopped_by ? 0 : child_stopped(c);
        child_tell(c, end);
        return rc;
}

int rein_child_stop(rein_child *c, rein_child_end *end)
{
        RN_CALL();
        RN_TOLD_USED(c);
        rn_task *self = rn_self();
        rn_stretch_spend(self, RN_SPENDS_CALL);
        int rc = child_look_at("rein_child_stop", c, end);
        if (rc < 0)
                return rc;
        bool gone = child_stop(self, c);
        child_tell(c, end);
        return gone ? 0
                    : rn_fail(REIN_ESTUCK, "rein_child_stop", "'%s' (process %d) could not be killed", c->name, c->pid);
}

void rein_child_free(rein_child *c)
{
        RN_CALL();
        RN_TOLD_USED(c);
        if (!c)
                return;
        if (c->process != rn_generation()) {
                child_refused(c, "rein_child_free");
                return;
        }
        rn_task *self = rn_self();
        rn_stretch_spend(self, RN_SPENDS_CALL);
        bool gone = child_is_gone(c) || child_stop(self, c);
        child_close_pipes(c);
        rn_world *world = rn_world_now();
        rn_lock_take(&world->fd_lock);
        RN_ASSERT(!c->freed && rn_linked(&c->link), "a child is given back once");
        if (gone)
                rn_list_remove(&c->link);
        c->freed = true;
        c->process = RN_GIVEN_BACK;
        rn_lock_give(&world->fd_lock);
        if (gone)
                child_discard(c);
        children_reap_freed();
}

bool rn_child_has_pipe(const rein_child_opts *o)
{
        return o->in.kind == REIN_AS_PIPE || o->out.kind == REIN_AS_PIPE || o->err.kind == REIN_AS_PIPE;
}

int rein_child_run(char *const argv[], const rein_child_opts *opts, rein_child_end *end)
{
        rein_child *c = NULL;
        if (end && end->size < sizeof(size_t))
                return rn_fail(-EINVAL, "rein_child_run", "the size of the end is not set");
        if (opts && rn_child_has_pipe(opts))
                return rn_fail(
                        -EINVAL, "rein_child_run",
                        "nobody is there for the other end of a pipe: use rein_child_start or rein_child_collect");
        int rc = rein_child_start(&c, argv, opts);
        if (!c)
                return rc;
        rc = rein_child_wait(c, end, REIN_NEVER);
        rein_child_free(c);
        return rc;
}
