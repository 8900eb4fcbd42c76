#include <libpq-fe.h>
/* Swift's Glibc module leaves these two out: eventfd(2) wakes a connection's thread, flock(2) guards a data directory. */
#include <sys/eventfd.h>
#include <sys/file.h>

/* Swift does not import macros that are character constants: the field codes of PQresultErrorField again, as numbers. */
enum {
    CLIBPQ_DIAG_SEVERITY = PG_DIAG_SEVERITY_NONLOCALIZED,
    CLIBPQ_DIAG_SQLSTATE = PG_DIAG_SQLSTATE,
    CLIBPQ_DIAG_MESSAGE_PRIMARY = PG_DIAG_MESSAGE_PRIMARY,
    CLIBPQ_DIAG_MESSAGE_DETAIL = PG_DIAG_MESSAGE_DETAIL,
    CLIBPQ_DIAG_CONSTRAINT_NAME = PG_DIAG_CONSTRAINT_NAME,
    CLIBPQ_DIAG_SOURCE_FILE = PG_DIAG_SOURCE_FILE,
    CLIBPQ_DIAG_SOURCE_FUNCTION = PG_DIAG_SOURCE_FUNCTION
};
