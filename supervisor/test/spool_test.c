/* The spool directory lies where others may have been first. */
#include "check.h"
#include "spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/spool-test-XXXXXX";
static char path[64];

static const char *fresh(const char *name) {
	snprintf(path, sizeof path, "%s/%s", base, name);
	return path;
}

static bool exists(const char *at) {
	struct stat st;
	return lstat(at, &st) == 0;
}

static bool works(const char *at) {
	struct spool s;
	spool_open(&s, at);
	int fd = spool_create(&s, "a-1.log");
	if (fd >= 0) close(fd);
	if (s.dir >= 0) close(s.dir);
	return fd >= 0;
}

static void a_new_directory_is_for_the_owner_alone(void) {
	struct stat st;
	CHECK(works(fresh("new")));
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0700);
}

static void one_that_others_may_write_in_is_not_used(void) {
	mkdir(fresh("open"), 0700);
	CHECK(works(path));
	chmod(path, 0777);
	unlinkat(AT_FDCWD, fresh("open/a-1.log"), 0);
	CHECK(!works(fresh("open")));
}

static void one_of_another_user_is_not_used(void) {
	if (geteuid() != 0) return; /* only root can give one away */
	mkdir(fresh("other"), 0700);
	CHECK(chown(path, 12345, 12345) == 0);
	CHECK(!works(path));
}

static void a_link_is_not_followed(void) {
	char target[64];
	snprintf(target, sizeof target, "%s/target", base);
	mkdir(target, 0700);
	CHECK(symlink(target, fresh("link")) == 0);
	CHECK(!works(path));
}

static void nothing_is_left_of_one_that_is_forgotten(void) {
	struct spool s;
	spool_open(&s, fresh("gone"));
	close(spool_create(&s, "a-1.log"));
	close(spool_create(&s, "a-1.err.log"));
	spool_forget(&s);
	CHECK(!exists(path));
}

static void a_directory_that_was_put_in_it_is_not_entered(void) {
	struct spool s;
	spool_open(&s, fresh("trap"));
	char trap[64], kept[64];
	snprintf(trap, sizeof trap, "%s/trap/x", base);
	snprintf(kept, sizeof kept, "%s/trap/x/kept", base);
	mkdir(trap, 0700);
	mkdir(kept, 0700);
	spool_forget(&s);
	CHECK(exists(kept));
}

int main(void) {
	if (!mkdtemp(base)) return 1;
	a_new_directory_is_for_the_owner_alone();
	one_that_others_may_write_in_is_not_used();
	one_of_another_user_is_not_used();
	a_link_is_not_followed();
	nothing_is_left_of_one_that_is_forgotten();
	a_directory_that_was_put_in_it_is_not_entered();
	char command[64];
	snprintf(command, sizeof command, "rm -rf %s", base);
	return report("spool") | (system(command) != 0);
}
