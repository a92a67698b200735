/* Arrays: each element goes through the chain; dimensions nest, NULL elements stay. */
#include "mappers/array_text.h"
#include "mappers/convert.h"

#define MAX_DIMENSIONS 6 /* PostgreSQL's own limit */

static int put_array(struct render *r, const struct chain *c, struct str text, int dimensions);

static int put_item(struct render *r, const struct chain *c, enum array_item item,
        struct str element, int dimensions)
{
        switch (item) {
        case ARRAY_NULL:
                return PUT_NULL;
        case ARRAY_TEXT:
                return chain_put(r, c, c->elem, element);
        case ARRAY_NESTED:
                return put_array(r, c, element, dimensions - 1);
        default:
                return reject_value(r, element, "is not an array");
        }
}

static int put_array(struct render *r, const struct chain *c, struct str text, int dimensions)
{
        size_t start = r->out->len;
        struct array_walk w;
        struct str element = text;
        enum array_item item;

        if (dimensions == 0 || !array_open(&w, text, c->delimiter))
                return reject_value(r, text, "is not an array");
        while ((item = array_next(&w, &r->element_text, &element)) != ARRAY_END) {
                buf_putc(r->out, ',');
                int rc = put_item(r, c, item, item == ARRAY_BAD ? text : element, dimensions);
                if (rc == MAPPER_REJECT)
                        return rc;
                if (rc == PUT_NULL)
                        buf_put(r->out, "null", 4);
        }
        render_close(r->out, start, '[', ']');
        return 0;
}

int convert_array(struct render *r, const struct chain *c, struct str text)
{
        return put_array(r, c, text, MAX_DIMENSIONS);
}
