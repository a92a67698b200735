/* $metadata of the versions and vendors, in small; hostile XML; cut anywhere; without memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/base/buf.h"
#include "ingest/source/rest/metadata.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define V4(schema)                                                                                 \
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"                                             \
        "<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\">"      \
        "<edmx:DataServices><Schema Namespace=\"NS.Shop\" Alias=\"Self\" "                         \
        "xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">" schema                                \
        "</Schema></edmx:DataServices></edmx:Edmx>"
#define V2(version, schema)                                                                        \
        "<edmx:Edmx Version=\"1.0\" xmlns:edmx=\"http://schemas.microsoft.com/ado/2007/06/edmx\" " \
        "xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\" "              \
        "xmlns:sap=\"http://www.sap.com/Protocols/SAPData\">"                                      \
        "<edmx:DataServices m:DataServiceVersion=\"" version "\">"                                 \
        "<Schema Namespace=\"S\" xmlns=\"http://schemas.microsoft.com/ado/2008/09/edm\">" schema   \
        "</Schema></edmx:DataServices></edmx:Edmx>"

/* Reads @text in pieces of @step bytes. */
static int read_in_steps(const char *text, size_t step, struct arena *arena,
        struct rest_metadata *out, struct err *e)
{
        cleanup_(rest_metadata_reader_freep) struct rest_metadata_reader *r = NULL;
        size_t len = strlen(text);
        int rc = rest_metadata_reader_new(arena, &r, e);

        for (size_t at = 0; at < len && !rc; at += step)
                rc = rest_metadata_feed(
                        r, (struct str){text + at, len - at < step ? len - at : step}, e);
        return rc ? rc : rest_metadata_end(r, out, e);
}

static void read_ok(const char *text, struct arena *arena, struct rest_metadata *out)
{
        struct err e = {0};

        if (read_in_steps(text, SIZE_MAX / 2, arena, out, &e))
                fail_msg("%s\n%s", e.text, text);
}

/* ---- what is kept ---- */

static const char order_v4[] =
        V4("<EntityType Name=\"Base\" Abstract=\"true\"><Key><PropertyRef Name=\"id\"/></Key>"
           "<Property Name=\"id\" Type=\"Edm.Guid\" Nullable=\"false\"/></EntityType>"
           "<EntityType Name=\"Order\" BaseType=\"Self.Base\">"
           "<Property Name=\"no\" Type=\"Edm.String\" MaxLength=\"20\">"
           "<Annotation Term=\"Org.OData.Core.V1.Description\" String=\"Number of it\"/></Property>"
           "<Property Name=\"total\" Type=\"Edm.Decimal\" Precision=\"18\" Scale=\"2\"/>"
           "<Property Name=\"any\" Type=\"Edm.Decimal\" Scale=\"Variable\"/>"
           "<Property Name=\"tags\" Type=\"Collection(Edm.String)\"/>"
           "<Property Name=\"to\" Type=\"Self.Address\"/>"
           "<Property Name=\"state\" Type=\"Self.State\"/>"
           "<NavigationProperty Name=\"lines\" Type=\"Collection(Self.Line)\" "
           "ContainsTarget=\"true\"/>"
           "<NavigationProperty Name=\"parts\" Type=\"Collection(NS.Shop.Line)\">"
           "<OnDelete Action=\"Cascade\"/></NavigationProperty>"
           "<NavigationProperty Name=\"customer\" Type=\"Self.Customer\" Partner=\"orders\">"
           "<ReferentialConstraint Property=\"cid\" ReferencedProperty=\"id\"/>"
           "</NavigationProperty></EntityType>"
           "<EntityType Name=\"Line\" HasStream=\"true\"/><EntityType Name=\"Customer\"/>"
           "<ComplexType Name=\"Address\"><Property Name=\"city\" Type=\"Edm.String\"/>"
           "</ComplexType><EnumType Name=\"State\"><Member Name=\"a\" Value=\"0\"/></EnumType>"
           "<TypeDefinition Name=\"Weight\" UnderlyingType=\"Edm.Decimal\"/>"
           "<Function Name=\"f\"><Parameter Name=\"p\" Type=\"Edm.String\"/>"
           "<ReturnType Type=\"Edm.String\"/></Function>"
           "<EntityContainer Name=\"C\"><EntitySet Name=\"orders\" EntityType=\"Self.Order\">"
           "<NavigationPropertyBinding Path=\"customer\" Target=\"customers\"/></EntitySet>"
           "<EntitySet Name=\"customers\" EntityType=\"NS.Shop.Customer\"/>"
           "<Singleton Name=\"me\" Type=\"Self.Customer\"/></EntityContainer>"
           "<Annotations Target=\"Self.Order/no\"><Annotation Term=\"x.Label\" String=\"n\"/>"
           "</Annotations>");

static const struct rest_property *property(const struct rest_type *t, const char *name)
{
        for (size_t i = 0; i < t->property_count; i++)
                if (strcmp(t->properties[i].name, name) == 0)
                        return &t->properties[i];
        fail_msg("there is no property %s", name);
        return NULL;
}

static void test_version_4(void **state)
{
        struct arena *arena = arena_new(1 << 20);
        struct rest_metadata m;

        (void)state;
        read_ok(order_v4, arena, &m);
        assert_int_equal(m.version, 4);
        assert_string_equal(m.name_space, "NS.Shop");
        assert_int_equal(m.set_count, 2);
        assert_string_equal(m.sets[0].name, "customers");
        assert_string_equal(m.sets[1].type, "NS.Shop.Order");
        const struct rest_type *order = rest_metadata_type(&m, "NS.Shop.Order");
        assert_string_equal(order->base, "NS.Shop.Base");
        assert_int_equal(order->property_count, 9);
        assert_int_equal(order->key_count, 0);
        assert_string_equal(rest_metadata_type(&m, order->base)->key[0], "id");
        assert_false(rest_metadata_type(&m, order->base)->properties[0].nullable);
        assert_string_equal(property(order, "no")->label, "Number of it");
        assert_int_equal(property(order, "no")->max_length, 20);
        assert_int_equal(property(order, "total")->scale, 2);
        assert_int_equal(property(order, "any")->scale, -1);
        assert_true(property(order, "tags")->collection);
        assert_string_equal(property(order, "tags")->type, "Edm.String");
        assert_string_equal(property(order, "to")->type, "NS.Shop.Address");
        assert_true(property(order, "lines")->contained);
        assert_true(property(order, "parts")->contained);
        assert_string_equal(property(order, "lines")->type, "NS.Shop.Line");
        assert_false(property(order, "customer")->contained);
        assert_false(property(order, "customer")->collection);
        assert_true(rest_metadata_type(&m, "NS.Shop.Line")->stream);
        assert_int_equal(rest_metadata_type(&m, "NS.Shop.State")->kind, REST_TYPE_ENUM);
        assert_string_equal(rest_metadata_type(&m, "NS.Shop.Weight")->base, "Edm.Decimal");
        assert_null(rest_metadata_type(&m, "Edm.String"));
        arena_free(arena);
}

static const char order_v2[] = V2("2.0",
        "<EntityType Name=\"Order\" sap:label=\"Orders\"><Key><PropertyRef Name=\"No\"/></Key>"
        "<Property Name=\"No\" Type=\"Edm.String\" Nullable=\"false\" sap:label=\"Number\"/>"
        "<Property Name=\"Day\" Type=\"Edm.DateTime\" sap:display-format=\"Date\"/>"
        "<NavigationProperty Name=\"to_Item\" Relationship=\"S.A1\" FromRole=\"F\" "
        "ToRole=\"T\"/>"
        "<NavigationProperty Name=\"to_Up\" Relationship=\"S.A1\" FromRole=\"T\" ToRole=\"F\"/>"
        "<NavigationProperty Name=\"lost\" Relationship=\"S.No\" FromRole=\"T\" ToRole=\"F\"/>"
        "</EntityType><EntityType Name=\"Item\"/>"
        "<Association Name=\"A1\"><End Type=\"S.Order\" Multiplicity=\"1\" Role=\"F\">"
        "<OnDelete Action=\"Cascade\"/></End>"
        "<End Type=\"S.Item\" Multiplicity=\"*\" Role=\"T\"/></Association>"
        "<EntityContainer Name=\"C\" m:IsDefaultEntityContainer=\"true\">"
        "<EntitySet Name=\"Orders\" EntityType=\"S.Order\" sap:label=\"All orders\"/>"
        "<AssociationSet Name=\"AS\" Association=\"S.A1\"><End Role=\"F\" EntitySet=\"x\"/>"
        "<End Role=\"T\" EntitySet=\"y\"/><End Role=\"T\" EntitySet=\"y\"/></AssociationSet>"
        "</EntityContainer>");

static void test_version_2(void **state)
{
        struct arena *arena = arena_new(1 << 20);
        struct rest_metadata m;

        (void)state;
        read_ok(order_v2, arena, &m);
        assert_int_equal(m.version, 2);
        assert_string_equal(m.sets[0].label, "All orders");
        const struct rest_type *order = rest_metadata_type(&m, "S.Order");
        assert_string_equal(order->label, "Orders");
        assert_string_equal(property(order, "No")->label, "Number");
        assert_true(property(order, "Day")->date_only);
        assert_string_equal(property(order, "to_Item")->type, "S.Item");
        assert_true(property(order, "to_Item")->collection);
        assert_true(property(order, "to_Item")->contained);
        assert_string_equal(property(order, "to_Up")->type, "S.Order");
        assert_false(property(order, "to_Up")->collection);
        assert_false(property(order, "to_Up")->contained);
        assert_null(property(order, "lost")->type);
        arena_free(arena);
}

static void test_versions(void **state)
{
        static const struct {
                const char *text;
                int version;
        } cases[] = {
                {V2("1.0", ""), 2},
                {V2("2.0", ""), 2},
                {V2("3.0", ""), 3},
                {V4(""), 4},
                {"<Edmx Version=\"4.01\"/>", 4},
                {"<Edmx Version=\"1.0\"><DataServices DataServiceVersion=\"1.0\" "
                 "MaxDataServiceVersion=\"3.0\"/></Edmx>",
                        3},
        };
        struct arena *arena = arena_new(1 << 20);

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_metadata m;
                read_ok(cases[i].text, arena, &m);
                assert_int_equal(m.version, cases[i].version);
                assert_int_equal(m.set_count, 0);
        }
        arena_free(arena);
}

/* ---- others' XML ---- */

#define DEEP_8(s) s s s s s s s s

static void test_what_is_refused(void **state)
{
        static const struct {
                const char *text, *says;
                int rc;
        } cases[] = {
                {"", "it is empty", -ERR_CONFIG},
                {"{\"value\": []}", "it is no metadata of OData, which is XML", -ERR_CONFIG},
                {"<html><body>Log in</body></html>", "XML that begins with <html>", -ERR_CONFIG},
                {"<!DOCTYPE html><html/>", "it has a document type", -ERR_CONFIG},
                {"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">"
                 "<!ENTITY c \"&b;&b;&b;\">]><Edmx Version=\"&c;\"/>",
                        "it has a document type", -ERR_CONFIG},
                {"<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><Edmx/>", "it has a document type",
                        -ERR_CONFIG},
                {"<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\">%p;]><Edmx/>",
                        "it has a document type", -ERR_CONFIG},
                {"<Edmx Version=\"4.0\">&unknown;</Edmx>", "line 1: undefined entity", -ERR_CONFIG},
                {"<Edmx Version=\"4.0\">\n<a></b></Edmx>", "line 2: mismatched tag", -ERR_CONFIG},
                {"<Edmx Version=\"4.0\"/><Edmx/>", "junk after document element", -ERR_CONFIG},
                {"<Edmx Version=\"4.0\">", "it was cut off behind 20 bytes", -ERR_RETRY},
                {"<Edmx Version=\"4.0\"><DataSer", "it was cut off behind 28 bytes", -ERR_RETRY},
                {"<Edmx Version=\"4.0\"><DataServices><Schema/></DataServices></Edmx>",
                        "lacks the attribute Namespace", -ERR_CONFIG},
                {V4("<EntityType/>"), "a type of it has no name", -ERR_CONFIG},
                {V4("<EntityType Name=\"a\"><Property Type=\"Edm.String\"/></EntityType>"),
                        "lacks the attribute Name", -ERR_CONFIG},
                {V4("<EntityContainer><EntitySet Name=\"a\"/></EntityContainer>"),
                        "lacks the attribute EntityType", -ERR_CONFIG},
                {V2("2.0", "<Association Name=\"A\"><End/><End/><End/></Association>"),
                        "more than two ends", -ERR_CONFIG},
                {"<Edmx>" DEEP_8(DEEP_8("<a>")), "nested deeper than 64", -ERR_CONFIG},
                {"<Edmx Version=\"4.0\"><a>\xFF</a></Edmx>", "not well-formed", -ERR_CONFIG},
        };
        struct arena *arena = arena_new(1 << 20);

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                for (size_t step = 1; step < 64; step += 31) {
                        struct rest_metadata m;
                        struct err e = {0};
                        int rc = read_in_steps(cases[i].text, step, arena, &m, &e);
                        if (rc != cases[i].rc || !strstr(e.text, cases[i].says))
                                fail_msg("%s\n%d %s", cases[i].text, rc, rc ? e.text : "");
                }
        }
        arena_free(arena);
}

/* Feeds @before, then @piece again and again until it is refused. */
static void expect_limit(
        const char *before, const char *piece, size_t most, size_t arena_bytes, const char *says)
{
        struct arena *arena = arena_new(arena_bytes);
        struct rest_metadata_reader *r = NULL;
        struct err e = {0};
        size_t fed = 0;

        assert_int_equal(rest_metadata_reader_new(arena, &r, &e), 0);
        int rc = rest_metadata_feed(r, str_of(before), &e);
        while (!rc && fed <= most) {
                rc = rest_metadata_feed(r, str_of(piece), &e);
                fed += strlen(piece);
        }
        if (!rc || !strstr(e.text, says))
                fail_msg("%s: %s behind %zu bytes", says, rc ? e.text : "no error", fed);
        struct rest_metadata m;
        assert_int_equal(rest_metadata_feed(r, str_of(piece), &e), rc); /* and stays so */
        assert_int_equal(rest_metadata_end(r, &m, &e), rc);
        rest_metadata_reader_free(r);
        arena_free(arena);
}

static void test_limits(void **state)
{
        static char long_name[4096];

        (void)state;
        memset(long_name, 'n', sizeof(long_name) - 1);
        expect_limit("<Edmx Version=\"4.0\"><a b=\"", long_name, 4 << 20, 1 << 20,
                "one tag or text of it has more than 1048576 bytes");
        expect_limit("<Edmx Version=\"4.0\"><!--", long_name, 4 << 20, 1 << 20,
                "one tag or text of it has more than 1048576 bytes");
        long_name[600] = '>';
        long_name[599] = long_name[0] = '"';
        expect_limit("<Edmx Version=\"4.0\"><DataServices><Schema Namespace=", long_name, 4096,
                1 << 20, "a name in it has more than 512 bytes");
        expect_limit("<Edmx Version=\"4.0\"><DataServices><Schema Namespace=\"S\">"
                     "<EntityType Name=\"T\">",
                "<Property Name=\"a\" Type=\"Edm.String\"/>", (size_t)64 << 20, (size_t)1 << 28,
                "it has more than 500000 properties");
        expect_limit("<Edmx Version=\"4.0\"><DataServices><Schema Namespace=\"S\">"
                     "<EntityType Name=\"T\">",
                "<Property Name=\"a\" Type=\"Edm.String\"/>", (size_t)64 << 20, 1 << 20,
                "the service's metadata");
        expect_limit("<Edmx Version=\"4.0\"><DataServices><Schema Namespace=\"S\">"
                     "<EntityContainer>",
                "<EntitySet Name=\"a\" EntityType=\"b\"/>", (size_t)64 << 20, (size_t)1 << 28,
                "it has more than 50000 entity sets");
}

static void test_any_cut_gives_the_same(void **state)
{
        struct arena *arena = arena_new(1 << 20);

        (void)state;
        for (size_t step = 1; step < 200; step++) {
                struct rest_metadata m;
                struct err e = {0};
                arena_reset(arena);
                assert_int_equal(read_in_steps(order_v4, step, arena, &m, &e), 0);
                assert_int_equal(m.set_count, 2);
                assert_int_equal(rest_metadata_type(&m, "NS.Shop.Order")->property_count, 9);
        }
        arena_free(arena);
}

/* Every prefix is an error, and none crashes. */
static void test_every_prefix_is_cut_off(void **state)
{
        char text[sizeof(order_v2)];
        struct arena *arena = arena_new(1 << 20);

        (void)state;
        for (size_t n = 0; n < strlen(order_v2); n++) {
                struct rest_metadata m;
                struct err e = {0};
                memcpy(text, order_v2, n);
                text[n] = '\0';
                arena_reset(arena);
                assert_true(read_in_steps(text, 4096, arena, &m, &e) < 0);
        }
        arena_free(arena);
}

static void test_running_out_of_memory_is_an_error(void **state)
{
        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                struct rest_metadata m;
                struct err e = {0};
                alloc_fail_at(i);
                struct arena *arena = arena_new(1 << 20);
                if (!arena)
                        continue;
                int rc = read_in_steps(order_v2, 512, arena, &m, &e);
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
                if (rc == 0)
                        assert_int_equal(m.set_count, 1);
                arena_free(arena);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_version_4),
                cmocka_unit_test(test_version_2),
                cmocka_unit_test(test_versions),
                cmocka_unit_test(test_what_is_refused),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_any_cut_gives_the_same),
                cmocka_unit_test(test_every_prefix_is_cut_off),
                cmocka_unit_test(test_running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
