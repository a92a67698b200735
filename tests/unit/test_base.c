#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/base/arena.h"
#include "ingest/base/buf.h"

static void buf_stops_at_its_maximum(void **state)
{
        cleanup_buf_ struct buf b;
        struct err e;

        (void)state;
        buf_init(&b, 8);
        buf_puts(&b, "12345678");
        assert_int_equal(buf_check(&b, "test", &e), 0);
        buf_putc(&b, '9');
        assert_int_equal(buf_check(&b, "test", &e), -ERR_REJECT);
        assert_string_equal(e.text, "test is larger than its limit of 8 bytes");
        buf_clear(&b);
        buf_puts(&b, "again");
        assert_string_equal(buf_cstr(&b), "again");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(buf_stops_at_its_maximum),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
