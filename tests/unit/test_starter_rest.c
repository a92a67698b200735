/* Starter mappers of REST sources: the text, and that it is a mapper whatever the source says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/pipeline/starter.h"
#include "ingest/source/rest/entity.h"
#include "ingest/source/rest/sample.h"
#include "ingest/source/source.h"
#include "mappers/spec.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ARENA    (16 << 20)

#define V4(name_space, schema)                                                                     \
        "<Edmx Version=\"4.0\"><DataServices><Schema Namespace=\"" name_space "\">" schema         \
        "</Schema></DataServices></Edmx>"
#define V2(version, name_space, schema)                                                            \
        "<Edmx Version=\"1.0\"><DataServices DataServiceVersion=\"" version "\">"                  \
        "<Schema Namespace=\"" name_space "\">" schema "</Schema></DataServices></Edmx>"

/* Business Central */
static const char central[] = V4("Microsoft.NAV",
        "<EntityType Name=\"salesOrder\"><Key><PropertyRef Name=\"id\"/></Key>"
        "<Property Name=\"id\" Type=\"Edm.Guid\" Nullable=\"false\"/>"
        "<Property Name=\"number\" Type=\"Edm.String\" MaxLength=\"20\"/>"
        "<Property Name=\"orderDate\" Type=\"Edm.Date\"/>"
        "<Property Name=\"status\" Type=\"Microsoft.NAV.status\"/>"
        "<Property Name=\"total\" Type=\"Edm.Decimal\" Scale=\"Variable\"/>"
        "<Property Name=\"shipped\" Type=\"Edm.Boolean\"/>"
        "<Property Name=\"rows\" Type=\"Edm.Int64\"/>"
        "<Property Name=\"picture\" Type=\"Edm.Stream\"/>"
        "<Property Name=\"blob\" Type=\"Edm.Binary\"/>"
        "<Property Name=\"accessToken\" Type=\"Edm.String\"/>"
        "<Property Name=\"address\" Type=\"Microsoft.NAV.address\"/>"
        "<Property Name=\"lastModifiedDateTime\" Type=\"Edm.DateTimeOffset\"/>"
        "<NavigationProperty Name=\"customer\" Type=\"Microsoft.NAV.customer\"/>"
        "<NavigationProperty Name=\"salesOrderLines\" "
        "Type=\"Collection(Microsoft.NAV.line)\" ContainsTarget=\"true\"/></EntityType>"
        "<EntityType Name=\"line\"><Key><PropertyRef Name=\"id\"/></Key>"
        "<Property Name=\"id\" Type=\"Edm.Guid\" Nullable=\"false\"/>"
        "<Property Name=\"quantity\" Type=\"Edm.Decimal\" Scale=\"Variable\"/></EntityType>"
        "<EntityType Name=\"customer\"/>"
        "<ComplexType Name=\"address\"><Property Name=\"city\" Type=\"Edm.String\"/>"
        "</ComplexType><EnumType Name=\"status\"/>"
        "<EntityContainer><EntitySet Name=\"salesOrders\" "
        "EntityType=\"Microsoft.NAV.salesOrder\"/></EntityContainer>");

static const char central_mapper[] =
        "# A first mapper of the entity set salesOrders, made by `erp2couch discover`.\n"
        "# It runs as it is. Save it as mappers/salesorders.yaml, drop and rename fields, then\n"
        "#   erp2couch check --connect\n"
        "#   erp2couch preview salesorders --limit 3\n"
        "#   erp2couch run salesorders\n"
        "mapper: salesorders\n"
        "source: erp\n"
        "\n"
        "extract:\n"
        "  path: /salesOrders\n"
        "  odata:\n"
        "    version: 4\n"
        "    select: [id, number, orderDate, status, total, shipped, rows, address,\n"
        "             lastModifiedDateTime]\n"
        "    expand: [salesOrderLines]\n"
        "    # Not nested, but expand can bring them into the record: customer.\n"
        "  key: id\n"
        "  # A record that changed has a later value here, so that a run need not read the others. "
        "Right\n"
        "  # only if every change sets it.\n"
        "  # CHECK THIS: does a change of salesOrderLines set it, too? If not, it waits for the "
        "next\n"
        "  # full read.\n"
        "  cursor: {field: lastModifiedDateTime, filter: \"lastModifiedDateTime ge ${cursor}\"}\n"
        "\n"
        "# When everything is read all the same: that is how deleted rows are found.\n"
        "full: \"0 3 * * *\"\n"
        "\n"
        "target:\n"
        "  database: erp\n"
        "  # The part before the first ${ marks this mapper's documents: no other mapper of the "
        "database\n"
        "  # may use it.\n"
        "  id: \"salesorders:${row.id}\"\n"
        "\n"
        "fields:\n"
        "  type:                 {value: salesorders}\n"
        "  id:                   id                                # Edm.Guid\n"
        "  number:               number                            # Edm.String(20)\n"
        "  orderDate:            {from: orderDate, type: date, null_if: \"0001-01-01\"}  # "
        "Edm.Date\n"
        "  status:               {from: status, null_if: _x0020_}  # Microsoft.NAV.status\n"
        "  total:                {from: total, type: decimal}      # Edm.Decimal\n"
        "  shipped:              shipped                           # Edm.Boolean\n"
        "  rows:                 rows                              # Edm.Int64\n"
        "  # picture:            {from: picture, type: bytes}      # Edm.Stream; left out: binary, "
        "base64 in every document\n"
        "  # blob:               {from: blob, type: bytes}         # Edm.Binary; left out: binary, "
        "base64 in every document\n"
        "  # accessToken:        accessToken                       # Edm.String; left out: looks "
        "like a secret\n"
        "  address:                                                # Microsoft.NAV.address\n"
        "    object:\n"
        "      city: address.city  # Edm.String\n"
        "  lastModifiedDateTime: {from: lastModifiedDateTime, type: datetime, null_if: "
        "\"0001-01-01T00:00:00Z\", significant: false}  # Edm.DateTimeOffset\n"
        "  salesOrderLines:                                        # "
        "Collection(Microsoft.NAV.line)\n"
        "    each: salesOrderLines\n"
        "    fields:\n"
        "      id:       {from: id, null_if: \"00000000-0000-0000-0000-000000000000\"}  # "
        "Edm.Guid\n"
        "      quantity: {from: quantity, type: decimal}  # Edm.Decimal\n";

/* API_SALES_ORDER_SRV of S/4HANA */
static const char s4[] = V2("2.0", "API_SALES_ORDER_SRV",
        "<EntityType Name=\"A_SalesOrderType\"><Key><PropertyRef Name=\"SalesOrder\"/></Key>"
        "<Property Name=\"SalesOrder\" Type=\"Edm.String\" Nullable=\"false\" "
        "MaxLength=\"10\" label=\"Sales Order\"/>"
        "<Property Name=\"SalesOrderDate\" Type=\"Edm.DateTime\" display-format=\"Date\"/>"
        "<Property Name=\"TotalNetAmount\" Type=\"Edm.Decimal\" Precision=\"16\" "
        "Scale=\"3\"/><Property Name=\"Counter\" Type=\"Edm.Int64\"/>"
        "<Property Name=\"At\" Type=\"Edm.Time\"/>"
        "<Property Name=\"CreatedOn\" Type=\"Edm.DateTime\"/>"
        "<Property Name=\"LastChangeDateTime\" Type=\"Edm.DateTimeOffset\"/>"
        "<NavigationProperty Name=\"to_Item\" Relationship=\"API_SALES_ORDER_SRV.a\" "
        "FromRole=\"F\" ToRole=\"T\"/></EntityType>"
        "<EntityType Name=\"A_SalesOrderItemType\"><Key><PropertyRef Name=\"SalesOrder\"/>"
        "<PropertyRef Name=\"SalesOrderItem\"/></Key>"
        "<Property Name=\"SalesOrder\" Type=\"Edm.String\" Nullable=\"false\"/>"
        "<Property Name=\"SalesOrderItem\" Type=\"Edm.String\" Nullable=\"false\"/>"
        "</EntityType><Association Name=\"a\"><End Type=\"API_SALES_ORDER_SRV."
        "A_SalesOrderType\" Multiplicity=\"1\" Role=\"F\"/><End Type=\"API_SALES_ORDER_SRV."
        "A_SalesOrderItemType\" Multiplicity=\"*\" Role=\"T\"/></Association>"
        "<EntityContainer><EntitySet Name=\"A_SalesOrder\" "
        "EntityType=\"API_SALES_ORDER_SRV.A_SalesOrderType\"/>"
        "<EntitySet Name=\"A_SalesOrderItem\" "
        "EntityType=\"API_SALES_ORDER_SRV.A_SalesOrderItemType\"/></EntityContainer>");

/* The Service Layer of SAP Business One */
static const char b1[] = V2("3.0", "SAPB1",
        "<EntityType Name=\"Document\"><Key><PropertyRef Name=\"DocEntry\"/></Key>"
        "<Property Name=\"DocEntry\" Type=\"Edm.Int32\" Nullable=\"false\"/>"
        "<Property Name=\"DocDate\" Type=\"Edm.DateTime\"/>"
        "<Property Name=\"DocTotal\" Type=\"Edm.Double\"/>"
        "<Property Name=\"Cancelled\" Type=\"SAPB1.BoYesNoEnum\"/>"
        "<Property Name=\"UpdateDate\" Type=\"Edm.DateTime\"/>"
        "<Property Name=\"UpdateTime\" Type=\"Edm.Time\"/>"
        "<Property Name=\"DocumentLines\" Type=\"Collection(SAPB1.DocumentLine)\"/>"
        "</EntityType><EnumType Name=\"BoYesNoEnum\"/>"
        "<ComplexType Name=\"DocumentLine\"><Property Name=\"LineNum\" Type=\"Edm.Int32\"/>"
        "<Property Name=\"ItemCode\" Type=\"Edm.String\"/></ComplexType>"
        "<EntityContainer><EntitySet Name=\"Orders\" EntityType=\"SAPB1.Document\"/>"
        "</EntityContainer>");

/* Three keys, an instant without zone, types that are not there, names that no path can hold */
static const char odd[] = V2("3.0", "S",
        "<EntityType Name=\"T\"><Key><PropertyRef Name=\"A\"/><PropertyRef Name=\"B\"/></Key>"
        "<Property Name=\"A\" Type=\"Edm.Int32\" Nullable=\"false\"/>"
        "<Property Name=\"B\" Type=\"Edm.DateTime\" Nullable=\"false\"/>"
        "<Property Name=\"modifiedon\" Type=\"Edm.DateTime\"/>"
        "<Property Name=\"type\" Type=\"Edm.String\"/>"
        "<Property Name=\"_x\" Type=\"S.Missing\"/>"
        "<Property Name=\"x.y\" Type=\"Edm.String\"/>"
        "<Property Name=\"loop\" Type=\"S.Loop\"/></EntityType>"
        "<ComplexType Name=\"Loop\"><Property Name=\"v\" Type=\"Edm.Int32\"/>"
        "<Property Name=\"loop\" Type=\"S.Loop\"/></ComplexType>"
        "<EntityType Name=\"NoKey\"><Property Name=\"Code\" Type=\"Edm.String\"/>"
        "</EntityType><EntityType Name=\"Empty\"/>"
        "<EntityType Name=\"Flags\"><Property Name=\"on\" Type=\"Edm.Boolean\"/></EntityType>"
        "<EntityContainer><EntitySet Name=\"Odd Set\" EntityType=\"S.T\"/>"
        "<EntitySet Name=\"NoKeys\" EntityType=\"S.NoKey\"/>"
        "<EntitySet Name=\"Empties\" EntityType=\"S.Empty\"/>"
        "<EntitySet Name=\"Flags\" EntityType=\"S.Flags\"/>"
        "<EntitySet Name=\"Lost\" EntityType=\"S.Nowhere\"/></EntityContainer>");

/* ---- on the way to a mapper ---- */

static int entity(
        const char *xml, const char *set, struct arena *arena, struct catalog *out, struct err *e)
{
        cleanup_(rest_metadata_reader_freep) struct rest_metadata_reader *r = NULL;
        const struct catalog_query q = {.table = set};
        struct rest_metadata m;
        int rc = rest_metadata_reader_new(arena, &r, e);

        if (!rc)
                rc = rest_metadata_feed(r, str_of(xml), e);
        if (!rc)
                rc = rest_metadata_end(r, &m, e);
        return rc ? rc : rest_entities(&m, &q, arena, out, e);
}

static int reply(const char *target, const char *body, struct arena *arena, struct catalog *out,
        struct err *e)
{
        struct rest_sample_call call;
        struct rest_sample_reply r = {str_of(body), ""};
        struct catalog_table *t = arena_alloc(arena, sizeof(*t));
        int rc = t ? rest_sample_call(target, arena, &call, e) : err_nomem(e, "a table");

        if (!rc)
                rc = rest_sample_table(&call, &r, arena, t, e);
        if (!rc)
                *out = (struct catalog){t, 1};
        return rc;
}

/* XML is of a service, whose set is @target; anything else the reply to it. */
static int mapper_of(const char *target, const char *text, struct buf *out, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA);
        struct catalog c;

        if (!arena)
                return err_nomem(e, "an arena");
        int rc = text[0] == '<' ? entity(text, target, arena, &c, e)
                                : reply(target, text, arena, &c, e);
        return rc ? rc : starter_write(&c.tables[0], "erp", out, e);
}

/* Fails the test unless @text is a mapper whose extract is one for REST. */
static void check_mapper(struct str text)
{
        struct source_config config = {.name = "erp", .ops = &source_rest};
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = NULL;
        struct extract *x;
        struct err e = {0};
        int rc = mapper_spec_parse(text, "starter.yaml", &spec, &e);

        if (!rc)
                rc = extract_decode(&config, spec->doc, spec->extract, spec->arena, &x, &e);
        if (rc)
                fail_msg("%s\n%.*s", e.text, STR_ARG(text));
}

static void test_a_whole_mapper(void **state)
{
        cleanup_buf_ struct buf out = BUF_INIT(STARTER_MAX_BYTES);
        struct err e = {0};

        (void)state;
        assert_int_equal(mapper_of("salesOrders", central, &out, &e), 0);
        assert_string_equal(buf_cstr(&out), central_mapper);
        check_mapper(buf_str(&out));
}

/* ---- others, by what must stand in them ---- */

#define LINES 12

static void test_lines(void **state)
{
        static const struct {
                const char *target, *text, *lines[LINES];
        } cases[] = {
                {"A_SalesOrder", s4,
                        {"    version: 2\n", "    expand: [to_Item]\n", "  key: SalesOrder\n",
                                "cursor: {field: LastChangeDateTime, format: odata, send: "
                                "rfc3339, filter: \"LastChangeDateTime ge "
                                "datetimeoffset'${cursor}'\"}\n",
                                "{from: SalesOrderDate, type: date, format: odata}",
                                "{from: TotalNetAmount, type: decimal}",
                                "{from: CreatedOn, type: datetime, format: odata}",
                                "# Edm.Decimal(16,3)", ": Sales Order\n",
                                "    each: to_Item.results\n"}},
                {"A_SalesOrderItem", s4,
                        {"  key: [SalesOrder, SalesOrderItem]\n",
                                "  id: "
                                "\"a_salesorderitem:${row.SalesOrder}:${row.SalesOrderItem}\"\n"}},
                {"Orders", b1,
                        {"    version: 3\n",
                                "select: [DocEntry, DocDate, DocTotal, Cancelled, UpdateDate, "
                                "UpdateTime,\n             DocumentLines]\n",
                                "cursor: {field: [UpdateDate, UpdateTime], ",
                                "filter: \"UpdateDate ge '${cursor}'\"}\n",
                                "{from: DocDate, type: date, format: odata}",
                                "    each: DocumentLines\n"}},
                {"Odd Set", odd,
                        {"  path: \"/Odd Set\"\n", "  key: [A, B]\n", "timezone: UTC\n",
                                "filter: \"modifiedon ge datetime'${cursor}'\"",
                                "send: \"%Y-%m-%dT%H:%M:%S\"", "  odd_set_type:", "  x: ", "# x_y:",
                                "left out: a path cannot hold its name",
                                "      loop:         # S.Loop\n        object:\n"}},
                {"NoKeys", odd, {"CHECK THIS: no key is declared", "  key: Code\n"}},
                {"/products?limit=2&$x=$y&z=${env:HOME}", "[{\"id\":1},{\"id\":2}]",
                        {"  params: {\"$x\": \"$$y\", z: \"$${env:HOME}\"}\n",
                                "  paging: {type: offset, param: offset, size_param: limit, size: "
                                "2}\n"}},
                {"/p?in=a&x=1&in=b&=z&&w", "[{\"id\":1}]",
                        {"  params: {in: [a, b], x: \"1\", w: \"\"}\n"}},
                {"/a$b", "[{\"id\":1}]", {"  path: \"/a$$b\"\n"}},
                /* Xero */
                {"/Contacts?page=1",
                        "{\"pagination\":{\"page\":1,\"pageSize\":100,\"pageCount\":4,"
                        "\"itemCount\":310},\"Contacts\":[{\"ContactID\":\"a\",\"Name\":\"A\","
                        "\"UpdatedDateUTC\":\"/Date(1550793549320+0000)/\",\"Addresses\":[{"
                        "\"AddressType\":\"POBOX\",\"City\":\"\"}],\"Balances\":{\"Due\":{"
                        "\"Amount\":12.5}}}]}",
                        {"  records: Contacts\n",
                                "  paging: {type: page, param: page, first: 1, size_param: "
                                "pageSize, size: 100, total: pagination.itemCount, pages: "
                                "pagination.pageCount}\n",
                                "  key: ContactID\n",
                                "  cursor: {field: UpdatedDateUTC, format: odata, header: "
                                "If-Modified-Since}\n",
                                "{from: UpdatedDateUTC, type: datetime, format: odata, "
                                "significant: false}",
                                "    each: Addresses\n",
                                "{from: Balances.Due.Amount, type: decimal}"}},
                /* Dolibarr */
                {"/products?limit=50",
                        "[{\"id\":\"1\",\"ref\":\"A\",\"price\":\"9.00000000\",\"array_options\":"
                        "[],\"date_creation\":1672531200,\"date_modification\":\"\",\"api_key\":"
                        "\"s\"}]",
                        {"  empty_on: [404]\n",
                                "{type: page, param: page, first: 0, size_param: limit, size: 50}",
                                "{from: price, type: decimal}", "format: unix}", "# api_key:"}},
                /* ERPNext */
                {"/api/resource/Item?fields=[\"*\"]&limit_page_length=20",
                        "{\"data\":[{\"name\":\"A\",\"modified\":\"2026-01-31 10:00:00.123456\","
                        "\"disabled\":0,\"weight_per_unit\":0.0}]}",
                        {"  params: {fields: \"[\\\"*\\\"]\"}\n", "  records: data\n",
                                "param: limit_start", "  key: name\n", "timezone: UTC\n",
                                "{from: modified, type: datetime, significant: false}"}},
                {"/x?$top=2",
                        "{\"@odata.context\":\"c\",\"value\":[{\"id\":\"a\","
                        "\"lastModifiedDateTime\":\"2026-01-31T10:00:00Z\"}]}",
                        {"    version: 4\n", "  key: id\n",
                                "  cursor: {field: lastModifiedDateTime, filter: "
                                "\"lastModifiedDateTime ge ${cursor}\"}\n"}},
        };
        size_t wrong = 0;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(STARTER_MAX_BYTES);
                struct err e = {0};
                if (mapper_of(cases[i].target, cases[i].text, &out, &e))
                        fail_msg("%s: %s", cases[i].target, e.text);
                check_mapper(buf_str(&out));
                for (size_t k = 0; k < LINES && cases[i].lines[k]; k++) {
                        if (strstr(buf_cstr(&out), cases[i].lines[k]))
                                continue;
                        print_error("%s\nis missing in\n%s\n", cases[i].lines[k], buf_cstr(&out));
                        wrong++;
                }
        }
        assert_int_equal(wrong, 0);
}

/* A set of many properties is not asked for by name: the address would be too long. */
static void test_a_long_select_is_left_out(void **state)
{
        cleanup_buf_ struct buf xml = BUF_INIT(1 << 20), out = BUF_INIT(STARTER_MAX_BYTES);
        struct err e = {0};

        (void)state;
        buf_puts(&xml, "<Edmx Version=\"4.0\"><DataServices><Schema Namespace=\"S\">"
                       "<EntityType Name=\"T\"><Key><PropertyRef Name=\"Property0\"/></Key>");
        for (int i = 0; i < 300; i++)
                buf_printf(&xml, "<Property Name=\"Property%d\" Type=\"Edm.String\"/>", i);
        buf_puts(&xml, "</EntityType><EntityContainer><EntitySet Name=\"Ts\" EntityType=\"S.T\"/>"
                       "</EntityContainer></Schema></DataServices></Edmx>");
        assert_int_equal(mapper_of("Ts", buf_cstr(&xml), &out, &e), 0);
        assert_null(strstr(buf_cstr(&out), "    select:"));
        assert_non_null(strstr(buf_cstr(&out), "All properties are read"));
        check_mapper(buf_str(&out));
}

static void test_refusals(void **state)
{
        static const struct {
                const char *target, *text, *says;
        } cases[] = {
                {"salesOrder", central, "no entity set salesOrder; did you mean salesOrders?"},
                {"zzz", central, "there is no entity set zzz among the 1 of the service"},
                {"Empties", odd, "entity set Empties has no fields"},
                {"Flags", odd, "no field of Flags can be a key"},
                {"Lost", odd, "it lacks the type S.Nowhere"},
                {"/p", "[{\"on\":true}]", "no field of p can be a key"},
                {"/p", "[{}]", "reply p has no fields"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(STARTER_MAX_BYTES);
                struct err e = {0};
                int rc = mapper_of(cases[i].target, cases[i].text, &out, &e);
                if (rc != -ERR_CONFIG || !strstr(e.text, cases[i].says))
                        fail_msg("%s: %d %s", cases[i].target, rc, rc ? e.text : "");
                assert_int_equal(out.len, 0);
        }
}

/* ---- what anybody could have named ---- */

#define RANDOM_REPLIES 2000

static uint32_t next(uint32_t *seed)
{
        *seed = *seed * 1664525 + 1013904223;
        return *seed >> 8;
}

static void put_random_value(uint32_t *seed, struct buf *out, int depth);

static void put_random_text(uint32_t *seed, struct buf *out)
{
        static const char *const pieces[] = {"a", "B", "_", "-", ".", "[", "]", "{", "}", "${",
                "$$", "${env:X}", "${row.", "'", "\\\"", "\\\\", "\\n", "\\t", " ", "#", " #", ": ",
                "? ", "- ", "<<", "&", "*", "!", "|", ">", "%", "@", "`", ",", "~", "null", "yes",
                "1", "0x1", ".inf", "\\u0001", "\\u001b[31m", "\\u007f", "\xC2\x85", "\xC2\xA0",
                "\xE2\x80\xA8", "\xE2\x80\xAE", "\xE2\x98\x83", "\\ud83d\\ude00", "type", "id",
                "\\u0000", "next", "total", "page", "\\n---\\n", "limit", "updated_at",
                "2026-01-31", "12.50"};
        size_t n = next(seed) % 4;

        buf_putc(out, '"');
        for (size_t i = 0; i < n; i++)
                buf_puts(out, pieces[next(seed) % COUNT(pieces)]);
        buf_putc(out, '"');
}

static void put_random_object(uint32_t *seed, struct buf *out, int depth)
{
        size_t n = next(seed) % 6;

        buf_puts(out, "{\"id\":");
        buf_printf(out, "%u", next(seed));
        for (size_t i = 0; i < n; i++) {
                buf_putc(out, ',');
                put_random_text(seed, out);
                buf_putc(out, ':');
                put_random_value(seed, out, depth + 1);
        }
        buf_putc(out, '}');
}

static void put_random_value(uint32_t *seed, struct buf *out, int depth)
{
        static const char *const plain[] = {"null", "true", "false", "0", "1.5", "1672531200"};
        uint32_t kind = next(seed) % 12;

        if (kind < 6) {
                buf_puts(out, plain[kind]);
        } else if (kind < 9 || depth > 4) {
                put_random_text(seed, out);
        } else if (kind < 11) {
                put_random_object(seed, out, depth);
        } else {
                size_t n = next(seed) % 4;
                buf_putc(out, '[');
                for (size_t i = 0; i < n; i++) {
                        buf_puts(out, i ? "," : "");
                        put_random_value(seed, out, depth + 1);
                }
                buf_putc(out, ']');
        }
}

static void test_any_reply_makes_a_mapper(void **state)
{
        (void)state;
        for (uint32_t n = 0; n < RANDOM_REPLIES; n++) {
                cleanup_buf_ struct buf body = BUF_INIT(1 << 20), out = BUF_INIT(STARTER_MAX_BYTES);
                uint32_t seed = n;
                struct err e = {0};

                put_random_object(&seed, &body, 0);
                if (n % 2) {
                        buf_clear(&body);
                        buf_puts(&body, "[");
                        put_random_object(&seed, &body, 0);
                        buf_puts(&body, ",");
                        put_random_object(&seed, &body, 0);
                        buf_puts(&body, "]");
                }
                int rc = mapper_of("/a/b?limit=2&q=x", buf_cstr(&body), &out, &e);
                if (rc == 0)
                        check_mapper(buf_str(&out));
                else if (rc != -ERR_CONFIG)
                        fail_msg("%s: %s", buf_cstr(&body), e.text);
                else if (n % 2 && !strstr(e.text, "can be a key"))
                        fail_msg("%s: %s", buf_cstr(&body), e.text);
        }
}

static void test_running_out_of_memory_is_an_error(void **state)
{
        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                cleanup_buf_ struct buf out = BUF_INIT(STARTER_MAX_BYTES);
                struct err e = {0};
                alloc_fail_at(i);
                int rc = mapper_of("salesOrders", central, &out, &e);
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
                if (rc == 0)
                        assert_string_equal(buf_cstr(&out), central_mapper);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_whole_mapper),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_a_long_select_is_left_out),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_any_reply_makes_a_mapper),
                cmocka_unit_test(test_running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
