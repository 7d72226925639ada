#include "fs_internal.h"

/* More than the answer of any request that changes something. */
#define SMALL_REPLY 64u

struct fault fs_request(uint8_t type, struct slice in, struct buf *out, uint8_t *reply_type) {
	static const struct {
		uint8_t type, reply;
		struct fault (*run)(struct slice in, struct buf *out);
	} table[] = {
		{T_STAT, T_STAT_REPLY, fs_stat},
		{T_READ_LINES, T_LINES, fs_read_lines},
		{T_WRITE, T_WRITTEN, fs_write_all},
		{T_MKDIR, T_OK, fs_mkdir},
		{T_REMOVE, T_OK, fs_remove},
		{T_RENAME, T_OK, fs_rename},
		{T_LIST, T_ENTRIES, fs_list},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (table[i].type != type) continue;
		size_t before = out->len;
		/* Memory first: a change that cannot be answered for must not be made. */
		if (!buf_reserve(out, SMALL_REPLY)) return fs_fault(E_RESOURCES);
		struct fault f = table[i].run(in, out);
		if (!f.code && out->failed) f = fs_fault(E_RESOURCES);
		if (f.code) out->len = before;
		*reply_type = table[i].reply;
		return f;
	}
	return fs_fault(E_PROTOCOL);
}
