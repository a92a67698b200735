/*
 * Any texts as the values of a record, one a line, through a mapper that converts each kind in
 * several ways: a document, whose digest CouchDB's answer would have too, or a reject of one line.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "tests/support/mapper_fixture.h"

#define MAX_OUT (64 << 20)

static const char *const fields[] = {
        "i: id\nis: {from: id, type: string}\nin: {from: id, type: number}\n"
        "c: code\nct: {from: code, trim: true, null_if: [x, \"\"]}\n"
        "p: price\nps: {from: price, type: decimal, scale: 3, rounding: half_even}\n"
        "m: {from: money, type: decimal, scale: 2, rounding: up, as: minor, significant: false}\n"
        "w: weight\nwd: {from: weight, type: decimal}\nr: ratio\na: active\n",
        "d: day\nt: clock\nl: {from: local, timezone: Europe/Dublin}\ns: stamp\nn: span\nb: raw\n"
        "h: padded\ndt: {from: day, type: datetime, timezone: America/New_York}\n",
        "j: data\nja: {from: data.a, type: decimal}\njb: {from: 'data.b[1]', trim: true}\n"
        "je: {each: data, fields: {v: value, k: {from: k, significant: false}}}\n",
        "g: tags\ngi: 'tags[1]'\nga: amounts\ngf: flags\ngs: stamps\ngd: docs\ngg: grid\n"
        "ge: {each: tags, fields: {v: {from: value, trim: true}, r: {template: \"${row.id}\"}}}\n",
        "ci: {from: code, type: integer}\n",
        "cd: {from: code, type: datetime, timezone: UTC}\n",
        "fd: {from: code, type: datetime, format: '%d.%m.%Y %H:%M', timezone: Europe/Dublin}\n",
        "fo: {from: code, type: date, format: odata, timezone: America/New_York}\n",
        "fn: {from: code, type: decimal, format: '1.234,56', scale: 2, rounding: half_up}\n",
        "fj: {from: data, type: datetime, format: excel, timezone: Pacific/Apia}\n",
        "cj: {from: code, type: json}\ntp: {template: \"${late} ${data.a} ${tags[0]}\"}\n"
        "late: {template: \"<${name}>\"}\n",
        "cs: {from: code, split: ',', trim: true, upper: true, null_if: A, type: bytes}\n"
        "cr: {from: code, split: {pattern: '[;|]\\s*'}, replace: [{pattern: '(\\w)(\\d)', with: "
        "'$2$1'}, {pattern: '^$', with: e}], lower: true}\n"
        "js: {from: data, split: ' ', replace: {pattern: 'x*', with: '-'}, upper: true}\n"
        "jb: {from: name, replace: {pattern: '[^0-9.]'}, type: decimal, default: 0}\n"
        "ts: {from: tags, lower: true, type: bytes}\n",
        "n: {each: data, fields: {v: value, f: 'value[0]', l: {each: value, fields: {v: value, k: "
        "{template: '${doc.t}${value}'}, m: {each: l, fields: {a: {from: a, significant: false}, "
        "b: {template: '<${a}>'}}}}}}}\nt: id\n"
        "d: {each: docs, fields: {l: {each: value, fields: {v: value}, default: []}}}\n",
};

#define COUNT (sizeof(fields) / sizeof(fields[0]))

static void check_document(struct fixture *f, const struct mapped *m)
{
        cleanup_buf_ struct buf json = {.max = MAX_OUT}, scratch = {.max = MAX_OUT};
        struct digest d;

        buf_printf(&json, "{\"_id\":\"x\",\"_rev\":\"1-0\"%s%.*s}", m->body.len ? "," : "",
                STR_ARG(m->body));
        if (digest_document(buf_str(&json), f->spec->filter, &scratch, NULL, &d, NULL) ||
                !digest_eq(&d, &m->digest))
                abort();
}

/* Compiled once: reading YAML and zones costs more than all the rest. */
static struct fixture *mapper_of(size_t i)
{
        static struct fixture mappers[COUNT];
        struct err e;

        if (!mappers[i].program && fixture_open(&mappers[i], fields[i], &e))
                abort();
        return &mappers[i];
}

static void render(struct fixture *f, const struct record *record)
{
        cleanup_buf_ struct buf json = {.max = 4096}, scratch = {.max = MAX_OUT};
        struct mapper_reject why;
        struct mapped m;
        struct err e;

        int rc = mapper_render(f->program, record, &m, &why, &e);
        if (rc == 0)
                check_document(f, &m);
        else if (rc != MAPPER_REJECT || strchr(why.reason, '\n') ||
                 !str_utf8_valid(str_of(why.reason)))
                abort();
        mapper_record_json(&fixture_shape, record, 2048, &json);
        if (json.len > 2048 || digest_document(buf_str(&json), NULL, &scratch, NULL, &m.digest, &e))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct value row[FIXTURE_COLUMNS] = {{NULL, 0}};
        struct child_rows children[2] = {{NULL, 0}, {NULL, 0}};
        const char *p = (const char *)data, *end = p + size;

        for (size_t i = 0; i < FIXTURE_COLUMNS && p < end; i++) {
                const char *stop = memchr(p, '\n', (size_t)(end - p));
                if (!stop)
                        stop = end;
                if (stop > p) /* an empty line is NULL */
                        row[i] = (struct value){p, (uint32_t)(stop - p)};
                p = stop + 1;
        }
        for (size_t i = 0; i < COUNT; i++)
                render(mapper_of(i), &(struct record){row, children});
        return 0;
}
