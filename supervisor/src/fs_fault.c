#include "fs_internal.h"

#include <errno.h>

struct fault fs_fault(uint16_t code) { return (struct fault){code, 0}; }

static uint16_t code_of(int err) {
	switch (err) {
	case ENOENT: return E_NOT_FOUND;
	case EEXIST: return E_EXISTS;
	case EISDIR: return E_IS_DIRECTORY;
	case ENOTDIR: return E_NOT_A_DIRECTORY;
	case ENXIO: /* open(2) of a socket, or of a FIFO that nobody reads */
	case ENODEV:
	case ESPIPE: return E_NOT_REGULAR;
	case EACCES:
	case EPERM: return E_PERMISSION;
	case ENOSPC:
	case EDQUOT: return E_NO_SPACE;
	case EFBIG:
	case EOVERFLOW: return E_TOO_LARGE;
	case EAGAIN:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOBUFS: return E_RESOURCES;
	case ELOOP: return E_LOOP;
	case ENAMETOOLONG: return E_NAME_TOO_LONG;
	case EROFS: return E_READ_ONLY;
	case EBUSY:
	case ETXTBSY: return E_BUSY;
	case ENOTEMPTY: return E_NOT_EMPTY;
	case EMLINK: return E_TOO_MANY;
	case EINVAL:
	case EXDEV: return E_INVALID; /* the errno beside it tells a rename across file systems from the rest */
	default: return E_IO;
	}
}

struct fault fs_fault_errno(int err) { return (struct fault){code_of(err), err}; }
