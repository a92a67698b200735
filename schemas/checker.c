/*
 * The quick path first, where the schema allows it: it says yes, or leaves the document to the
 * tree. So all that is refused is refused by one evaluator, with one kind of message.
 */
#include "schemas/checker.h"
#include "schemas/eval.h"
#include "schemas/fault.h"
#include "schemas/quick.h"
#include "schemas/schema.h"

#define TEXT_MAX    (128 << 20) /* twice the largest document of a mapper */
#define MESSAGE_MAX (1 << 20)   /* a pointer into a document may be long */

struct schema_checker *schema_checker_new(const struct schema *s)
{
        cleanup_(schema_checker_freep) struct schema_checker *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        buf_init(&c->text, TEXT_MAX);
        buf_init(&c->scratch, TEXT_MAX);
        buf_init(&c->message, MESSAGE_MAX);
        c->schema = s;
        c->arena = arena_new(SCHEMA_MAX_MEMORY);
        c->room = s->regexes ? regex_room_new() : NULL;
        if (!c->arena || (s->regexes && !c->room))
                return NULL;
        return TAKE(c);
}

struct schema_checker *schema_checker_free(struct schema_checker *c)
{
        if (c) {
                arena_free(c->arena);
                regex_room_free(c->room);
                buf_deinit(&c->text);
                buf_deinit(&c->scratch);
                buf_deinit(&c->message);
                free(c);
        }
        return NULL;
}

static int wrap_members(struct schema_checker *c, struct str *text, struct err *e)
{
        buf_clear(&c->text);
        buf_putc(&c->text, '{');
        buf_put_str(&c->text, *text);
        buf_putc(&c->text, '}');
        *text = buf_str(&c->text);
        return buf_check(&c->text, "a document", e);
}

static int report(struct schema_checker *c, enum verdict verdict, const struct finding *f,
        struct schema_fault *fault, struct err *e)
{
        int rc;

        switch (verdict) {
        case VERDICT_FITS:
                return 0;
        case VERDICT_FAULT:
                rc = fault_describe(f, &c->message, fault, e);
                return rc ? rc : SCHEMA_FAULT;
        case VERDICT_STEPS:
                return err_set(e, ERR_REJECT,
                        "the document cannot be checked in %d steps and %d for each byte; make the "
                        "schema simpler",
                        SCHEMA_BASE_STEPS, SCHEMA_BYTE_STEPS);
        case VERDICT_DEPTH:
                return err_set(e, ERR_REJECT,
                        "the document and its schema are nested more than %d deep together",
                        SCHEMA_MAX_DEPTH);
        default:
                return arena_failed(c->arena, "the check of a document", e);
        }
}

static int check_tree(struct schema_checker *c, struct str text, uint64_t steps,
        struct schema_fault *fault, struct err *e)
{
        struct finding finding = {0};
        struct node *doc;

        arena_reset(c->arena);
        int rc = node_parse(text, c->arena, &c->scratch, &doc, NULL, e);
        if (rc)
                return err_wrap(e, rc, "the document");
        enum verdict verdict = eval_document(c->schema, doc, steps, c->arena, c->room, &finding);
        return report(c, verdict, &finding, fault, e);
}

int schema_check(struct schema_checker *c, struct str text, enum schema_form form,
        struct schema_fault *fault, struct err *e)
{
        uint64_t steps = SCHEMA_BASE_STEPS + (uint64_t)SCHEMA_BYTE_STEPS * text.len;
        int rc = form == SCHEMA_MEMBERS ? wrap_members(c, &text, e) : 0;

        if (rc)
                return rc;
        if (c->schema->quick && quick_fits(c->schema, text, steps, &c->scratch, c->room))
                return 0;
        return check_tree(c, text, steps, fault, e);
}
