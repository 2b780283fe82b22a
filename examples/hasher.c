/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes every file of a tree (argv[1], or /usr/include) and prints the hashes in the order of the walk, with at most 64
 * files on their way. Ctrl-C stops everything at once: reading, hashing, waiting, and printing into a full pipe. */
#include <rein/rein.h>

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int hash(void *path)
{
        char buf[65536];
        uint64_t h = 14695981039346656037u; /* FNV-1a */
        int64_t n;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return rein_fail(-errno, "cannot open %s", (char *)path);
        while ((n = rein_read(fd, buf, sizeof buf, REIN_NEVER)) > 0)
                for (int64_t i = 0; i < n; i++)
                        h = (h ^ (unsigned char)buf[i]) * 1099511628211u;
        close(fd);
        int length = snprintf(buf, sizeof buf, "%016llx  %s\n", (unsigned long long)h, (char *)path);
        return n < 0 ? (int)n : rein_give_copy(buf, (size_t)length + 1);
}

static int cancel_on_interrupt(void *scope)
{
        if (rein_wait_signal(SIGINT, REIN_NEVER) > 0)
                rein_scope_cancel(scope, "Ctrl-C");
        return 0;
}

/* Wait for one file and print its hash. One that cannot be read is no reason to stop; a cancel is. */
static int print(rein_future *f)
{
        void *line;
        int64_t rc = rein_await(f, &line, REIN_NEVER);
        if (rc == 0)
                rc = rein_write(STDOUT_FILENO, line, strlen(line), REIN_NEVER);
        else if (rc == REIN_EFAILED)
                rein_error_print(stderr, rein_error_of(f));
        rein_drop(f);
        return rc == REIN_EFAILED ? 0 : (int)rc;
}

int main(int argc, char **argv)
{
        rein_scope all;
        rein_future *ring[64];
        int rc = 0, files = 0, first = 0, next = 0;
        sigset_t interrupt;
        sigemptyset(&interrupt);
        sigaddset(&interrupt, SIGINT);
        sigprocmask(SIG_BLOCK, &interrupt, NULL); /* rein_wait_signal takes it */
        char *root = argc > 1 ? argv[1] : "/usr/include";
        FTS *tree = access(root, R_OK) < 0 ? NULL : fts_open((char *[]){root, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        /* It computes as much as it reads: a thread for each CPU, and one that waits for Ctrl-C. */
        rein_executor *pool = tree ? rein_pool_new(REIN_POOL(.name = "hash", .threads = rein_cpus() + 1)) : NULL;
        if (!pool)
                return perror(root), 1;
        rein_scope_open(&all, REIN_NEVER);
        rein_drop(rein_submit(pool, cancel_on_interrupt, &all, NULL));
        for (FTSENT *e; rc >= 0 && (e = fts_read(tree));) {
                if (next - first == 64)
                        files += (rc = print(ring[first++ % 64])) > 0;
                if (e->fts_info == FTS_F)
                        ring[next++ % 64] =
                                rein_submit(pool, hash, e->fts_path, REIN_JOB(.arg_size = e->fts_pathlen + 1u));
        }
        while (first < next) /* after a cancel every call says so at once, and this ends */
                files += (rc = print(ring[first++ % 64])) > 0;
        /* What is queued after a Ctrl-C is not hashed; the job that waits for Ctrl-C is stopped. */
        rein_executor_stop(pool, REIN_STOP_NOW, REIN_NEVER, NULL);
        rein_executor_free(pool);
        fts_close(tree);
        rc = rein_scope_close(&all, rc);
        fprintf(stderr, "hasher: %d files, %s\n", files, rc == REIN_ESTOPPED ? "stopped by ^C" : rein_code_name(rc));
        return rc == REIN_ESTOPPED ? 130 : rc < 0 || files == 0;
}
