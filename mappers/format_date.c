/*
 * Patterns of dates. One table has all directives: what they are called, which part of a date
 * they fill, and how they are read. A pattern becomes an array of items; reading walks it once
 * over the text, then the parts become a day.
 *
 * Where digits follow digits without anything between them, every number must have its whole
 * width: reading "112026" by %d%m%Y in the way that happens to fit first would be a guess.
 */
#include "mappers/format.h"

#include <ctype.h>

#include "ingest/base/yaml.h"

#define YEAR_MAX   9999
#define PIVOT_YEAR 69 /* of %y, as POSIX has it */
#define MAX_ITEMS  64
#define MAX_DEPTH  1 /* %T stands for directives, none of which stands for others */

enum part {
        YEAR,
        YEAR_OF_CENTURY,
        MONTH,
        DAY,
        DAY_OF_YEAR,
        WEEKDAY,
        HOUR,
        HOUR_OF_HALF,
        HALF,
        MINUTE,
        SECOND,
        FRACTION,
        OFFSET,
        PARTS,
        NO_PART = PARTS
};
#define BIT(part) (1u << (part))

struct reading {
        const char *p, *end;
        int parts[PARTS];
        struct str fraction;
};

typedef enum format_result (*take_fn)(struct reading *r, const struct date_item *item);

struct directive {
        char letter;
        enum part part;
        take_fn take;
        const char *what;
        int low, high;          /* of numbers */
        uint8_t width;          /* their digits; 0: not a number */
        bool whole_width;       /* never fewer digits */
        const char *stands_for; /* other directives */
};

struct date_item {
        take_fn take;
        const struct directive *directive; /* NULL: literal text, or a blank without .ptr */
        struct str literal;
        uint8_t min_width;
        bool followed; /* by a digit of another item */
};

/* ---- reading one item ---- */

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static size_t digits_ahead(const struct reading *r)
{
        const char *p = r->p;

        while (p < r->end && is_digit(*p))
                p++;
        return (size_t)(p - r->p);
}

static enum format_result out_of_range(enum part part, int value)
{
        if (part == HOUR && value == 24)
                return FORMAT_HOUR_24;
        return part == SECOND && value == 60 ? FORMAT_SECOND_60 : FORMAT_RANGE;
}

static enum format_result take_number(struct reading *r, const struct date_item *item)
{
        const struct directive *d = item->directive;
        size_t n = 0;
        int value = 0;

        for (; n < d->width && r->p + n < r->end && is_digit(r->p[n]); n++)
                value = value * 10 + (r->p[n] - '0');
        if (n < item->min_width)
                return FORMAT_MISMATCH;
        if (value < d->low || value > d->high)
                return out_of_range(d->part, value);
        r->p += n;
        r->parts[d->part] = value;
        return FORMAT_OK;
}

/* Also " 1", as %e is printed. */
static enum format_result take_padded(struct reading *r, const struct date_item *item)
{
        if (r->end - r->p < 2 || r->p[0] != ' ' || r->p[1] < '1' || r->p[1] > '9')
                return take_number(r, item);
        r->parts[DAY] = r->p[1] - '0';
        r->p += 2;
        return FORMAT_OK;
}

static enum format_result take_year(struct reading *r, const struct date_item *item)
{
        size_t digits = digits_ahead(r);

        if (!item->followed && digits > 4 && *r->p != '0')
                return FORMAT_YEAR_BEYOND;
        if (!item->followed && digits > 4)
                return FORMAT_MISMATCH;
        enum format_result result = take_number(r, item);
        return result == FORMAT_RANGE ? FORMAT_YEAR_ZERO : result;
}

static enum format_result take_fraction(struct reading *r, const struct date_item *item)
{
        size_t n = digits_ahead(r);

        if (n == 0)
                return FORMAT_MISMATCH;
        r->fraction = (struct str){r->p, n};
        r->p += n;
        while (r->fraction.len > 0 && r->fraction.ptr[r->fraction.len - 1] == '0')
                r->fraction.len--;
        return FORMAT_OK;
}

static bool take_word(struct reading *r, const char *word, size_t len)
{
        if ((size_t)(r->end - r->p) < len)
                return false;
        for (size_t i = 0; i < len; i++)
                if (tolower((unsigned char)r->p[i]) != tolower((unsigned char)word[i]))
                        return false;
        r->p += len;
        return true;
}

/* One of @names, whole or its first three letters. Return: its place from 1 on; 0: none. */
static int take_name(struct reading *r, const char *const *names, int count)
{
        for (int i = 0; i < count; i++)
                if (take_word(r, names[i], strlen(names[i])) || take_word(r, names[i], 3))
                        return i + 1;
        return 0;
}

static enum format_result take_month_name(struct reading *r, const struct date_item *item)
{
        static const char *const names[] = {"January", "February", "March", "April", "May", "June",
                "July", "August", "September", "October", "November", "December"};
        int month = take_word(r, "Sept", 4) ? 9 : 0;

        if (month)
                take_word(r, "ember", 5);
        else
                month = take_name(r, names, 12);
        r->parts[MONTH] = month;
        return month ? FORMAT_OK : FORMAT_MISMATCH;
}

static enum format_result take_weekday(struct reading *r, const struct date_item *item)
{
        static const char *const names[] = {
                "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
        int day = take_name(r, names, 7);

        r->parts[WEEKDAY] = day;
        return day ? FORMAT_OK : FORMAT_MISMATCH;
}

static enum format_result take_half(struct reading *r, const struct date_item *item)
{
        if (take_word(r, "AM", 2))
                r->parts[HALF] = 0;
        else if (take_word(r, "PM", 2))
                r->parts[HALF] = 12;
        else
                return FORMAT_MISMATCH;
        return FORMAT_OK;
}

/* Two digits, at most @max; -1: anything else. */
static int take_two(struct reading *r, int max)
{
        if (r->end - r->p < 2 || !is_digit(r->p[0]) || !is_digit(r->p[1]))
                return -1;
        int value = (r->p[0] - '0') * 10 + (r->p[1] - '0');
        if (value > max)
                return -1;
        r->p += 2;
        return value;
}

/* Behind the sign: HH, HHMM or HH:MM. */
static enum format_result take_hours(struct reading *r, bool west)
{
        struct reading start = *r;
        int hours = take_two(r, 15), minutes = 0; /* no zone was further than 15:59 */

        if (hours >= 0 && r->p < r->end && (*r->p == ':' || is_digit(*r->p))) {
                r->p += *r->p == ':';
                minutes = take_two(r, 59);
        }
        if (hours < 0 || minutes < 0) {
                *r = start;
                return FORMAT_MISMATCH;
        }
        int seconds = (hours * 60 + minutes) * 60;
        r->parts[OFFSET] = west ? -seconds : seconds;
        return FORMAT_OK;
}

static enum format_result take_offset(struct reading *r, const struct date_item *item)
{
        static const char *const utc[] = {"UTC", "GMT", "Z"};
        const char *start = r->p;

        r->parts[OFFSET] = 0;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
                return take_hours(r, *r->p++ == '-');
        for (size_t i = 0; i < sizeof(utc) / sizeof(utc[0]); i++) {
                if (take_word(r, utc[i], strlen(utc[i])) &&
                        (r->p == r->end || !isalpha((unsigned char)*r->p)))
                        return FORMAT_OK;
                r->p = start;
        }
        bool letters = r->p < r->end && isalpha((unsigned char)*r->p);
        return letters ? FORMAT_ZONE_NAME : FORMAT_MISMATCH;
}

static void skip_blanks(struct reading *r)
{
        size_t n;

        while ((n = format_blank(r->p, r->end)) > 0)
                r->p += n;
}

static enum format_result take_optional_blanks(struct reading *r, const struct date_item *item)
{
        skip_blanks(r);
        return FORMAT_OK;
}

static enum format_result take_blanks(struct reading *r, const struct date_item *item)
{
        const char *start = r->p;

        skip_blanks(r);
        return r->p > start ? FORMAT_OK : FORMAT_MISMATCH;
}

static enum format_result take_literal(struct reading *r, const struct date_item *item)
{
        struct str rest = {r->p, (size_t)(r->end - r->p)};

        if (!str_starts(rest, item->literal))
                return FORMAT_MISMATCH;
        r->p += item->literal.len;
        return FORMAT_OK;
}

/* ---- the directives ---- */

static const struct directive directives[] = {
        {'Y', YEAR, take_year, "the year", 1, YEAR_MAX, 4, true, NULL},
        {'y', YEAR_OF_CENTURY, take_number, "the year, two digits,", 0, 99, 2, true, NULL},
        {'m', MONTH, take_number, "the month", 1, 12, 2, false, NULL},
        {'d', DAY, take_number, "the day", 1, 31, 2, false, NULL},
        {'e', DAY, take_padded, "the day", 1, 31, 2, false, NULL},
        {'j', DAY_OF_YEAR, take_number, "the day of the year", 1, 366, 3, false, NULL},
        {'H', HOUR, take_number, "the hour", 0, 23, 2, false, NULL},
        {'I', HOUR_OF_HALF, take_number, "the hour, 1 to 12,", 1, 12, 2, false, NULL},
        {'M', MINUTE, take_number, "the minute", 0, 59, 2, false, NULL},
        {'S', SECOND, take_number, "the second", 0, 59, 2, false, NULL},
        {'f', FRACTION, take_fraction, "a fraction of a second", 0, 0, 0, false, NULL},
        {'p', HALF, take_half, "AM or PM", 0, 0, 0, false, NULL},
        {'b', MONTH, take_month_name, "the English name of the month", 0, 0, 0, false, NULL},
        {'B', MONTH, take_month_name, "the English name of the month", 0, 0, 0, false, NULL},
        {'h', MONTH, take_month_name, "the English name of the month", 0, 0, 0, false, NULL},
        {'a', WEEKDAY, take_weekday, "the English weekday", 0, 0, 0, false, NULL},
        {'A', WEEKDAY, take_weekday, "the English weekday", 0, 0, 0, false, NULL},
        {'z', OFFSET, take_offset, "Z or an offset such as +01:00", 0, 0, 0, false, NULL},
        {'Z', OFFSET, take_offset, "Z, UTC, GMT or an offset", 0, 0, 0, false, NULL},
        {'n', NO_PART, take_optional_blanks, "white space", 0, 0, 0, false, NULL},
        {'t', NO_PART, take_optional_blanks, "white space", 0, 0, 0, false, NULL},
        {'%', NO_PART, NULL, "a percent sign", 0, 0, 0, false, NULL},
        {'T', NO_PART, NULL, "the time", 0, 0, 0, false, "%H:%M:%S"},
        {'R', NO_PART, NULL, "the time", 0, 0, 0, false, "%H:%M"},
        {'F', NO_PART, NULL, "the date", 0, 0, 0, false, "%Y-%m-%d"},
        {'D', NO_PART, NULL, "the date", 0, 0, 0, false, "%m/%d/%y"},
};
#define DIRECTIVES (sizeof(directives) / sizeof(directives[0]))

#define KNOWN "%Y %y %m %d %e %j %b %B %H %I %M %S %f %p %z %Z %a %A %n %t %T %R %F %D %%"

/* What people write for them in other languages. */
static const struct {
        const char *letters, *hint;
} habits[] = {
        {"s", "seconds since 1970 are format: unix"},
        {"i", "the minute is %M"},
        {"NL", "a fraction of a second is %f"},
        {"P", "AM or PM is %p, in any case"},
        {"k", "the hour is %H, with one digit or two"},
        {"lG", "the year is %Y, the hour of 1 to 12 is %I"},
        {"r", "write %I:%M:%S %p"},
        {"cxX+", "it depends on a locale: write its parts, such as %d.%m.%Y %H:%M:%S"},
        {"UWVguw", "weeks do not name a day here: convert it in the query"},
        {"C", "a century alone is not read: convert it in the query"},
        {"EO", "leave the letter out: there are no alternative digits or calendars"},
        {"-_^#0123456789", "leave it out: %d and %m take one digit or two"},
};

static const struct directive *find_directive(char letter)
{
        for (size_t i = 0; i < DIRECTIVES; i++)
                if (directives[i].letter == letter)
                        return &directives[i];
        return NULL;
}

/* ---- compiling ---- */

struct pattern {
        struct str text;
        size_t at; /* of the directive, as written */
        struct date_item items[MAX_ITEMS];
        size_t columns[MAX_ITEMS]; /* from 1 on, for errors */
        size_t count;
        unsigned parts;
};

static int unknown_directive(const struct pattern *p, char letter, struct err *e)
{
        struct str name = {p->text.ptr + p->at, 2};
        char shown[YNODE_SHOW_MAX];

        while (p->at + name.len < p->text.len && ((unsigned char)name.ptr[name.len] & 0xC0) == 0x80)
                name.len++;
        int rc = err_set(e, ERR_CONFIG, "%s at column %zu of the pattern is no directive",
                yaml_show(name, shown), p->at + 1);
        for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++)
                if (strchr(habits[i].letters, letter))
                        return err_hint(e, rc, "%s", habits[i].hint);
        unsigned char other = (unsigned char)letter;
        other = (unsigned char)(islower(other) ? toupper(other) : tolower(other));
        if (find_directive((char)other))
                return err_hint(e, rc, "did you mean '%%%c'?", other);
        return err_hint(e, rc, "there are %s", KNOWN);
}

static int add_item(struct pattern *p, struct date_item item, struct err *e)
{
        if (p->count == MAX_ITEMS)
                return err_set(e, ERR_CONFIG, "the pattern has more than %d parts", MAX_ITEMS);
        p->columns[p->count] = p->at + 1;
        p->items[p->count++] = item;
        return 0;
}

static int add_parts(struct pattern *p, struct str text, int depth, struct err *e);

static int add_directive(struct pattern *p, struct str rest, int depth, struct err *e)
{
        if (rest.len < 2)
                return err_set(e, ERR_CONFIG,
                        "the '%%' at column %zu of the pattern ends it; a percent sign is %%%%",
                        p->at + 1);
        const struct directive *d = find_directive(rest.ptr[1]);
        if (!d)
                return unknown_directive(p, rest.ptr[1], e);
        if (d->stands_for && depth < MAX_DEPTH)
                return add_parts(p, str_of(d->stands_for), depth + 1, e);
        if (!d->take)
                return add_item(p, (struct date_item){take_literal, NULL, STR("%"), 0, false}, e);
        if (d->part != NO_PART && p->parts & BIT(d->part))
                return err_set(e, ERR_CONFIG, "%%%c at column %zu of the pattern names %s again",
                        d->letter, p->at + 1, d->what);
        if (d->part != NO_PART)
                p->parts |= BIT(d->part);
        return add_item(p, (struct date_item){.take = d->take, .directive = d}, e);
}

/* Literal bytes up to the next directive or blank. */
static size_t literal_length(struct str text, size_t from)
{
        const char *end = text.ptr + text.len;
        size_t n = 0;

        while (from + n < text.len && text.ptr[from + n] != '%' &&
                !format_blank(text.ptr + from + n, end))
                n++;
        return n;
}

static bool follows_blanks(const struct pattern *p)
{
        const struct date_item *last = p->count ? &p->items[p->count - 1] : NULL;

        return last && (last->take == take_blanks || last->take == take_optional_blanks);
}

static int add_parts(struct pattern *p, struct str text, int depth, struct err *e)
{
        int rc = 0;

        for (size_t i = 0, used; i < text.len && !rc; i += used) {
                struct str rest = {text.ptr + i, text.len - i};
                struct date_item blanks = {.take = take_blanks};
                if (depth == 0)
                        p->at = i;
                used = format_blank(rest.ptr, rest.ptr + rest.len);
                if (used && follows_blanks(p)) {
                        p->items[p->count - 1] = blanks; /* %n and a blank: one at the least */
                } else if (used) {
                        rc = add_item(p, blanks, e);
                } else if (*rest.ptr == '%') {
                        used = 2;
                        rc = add_directive(p, rest, depth, e);
                } else {
                        used = literal_length(text, i);
                        struct date_item literal = {take_literal, NULL, {rest.ptr, used}, 0, false};
                        rc = add_item(p, literal, e);
                }
        }
        return rc;
}

static bool is_number(const struct date_item *item)
{
        return item->directive && item->directive->width > 0;
}

static bool may_be_nothing(const struct date_item *item)
{
        return item->take == take_optional_blanks;
}

/* Whether a digit of the text may stand where @item begins. */
static bool begins_with_digit(const struct date_item *item)
{
        return is_number(item) || item->take == take_fraction ||
               (item->literal.len > 0 && is_digit(*item->literal.ptr));
}

/* Finds the numbers that touch others, which must have all their digits. */
static int join_numbers(struct pattern *p, struct err *e)
{
        struct date_item *before = NULL; /* the last item that is not optional blanks */

        for (size_t i = 0; i < p->count; i++) {
                struct date_item *item = &p->items[i];
                if (is_number(item))
                        item->min_width = item->directive->whole_width ? item->directive->width : 1;
                if (may_be_nothing(item))
                        continue;
                if (before && begins_with_digit(item)) {
                        if (before->take == take_fraction)
                                return err_set(e, ERR_CONFIG,
                                        "digits follow %%f at column %zu of the pattern: nobody "
                                        "could say where it ends",
                                        p->columns[i]);
                        if (before->take == take_offset)
                                return err_set(e, ERR_CONFIG,
                                        "digits follow the offset at column %zu of the pattern: "
                                        "nobody could say where it ends",
                                        p->columns[i]);
                        before->followed = is_number(before);
                        if (is_number(before))
                                before->min_width = before->directive->width;
                        if (is_number(before) && is_number(item))
                                item->min_width = item->directive->width;
                }
                before = item;
        }
        return 0;
}

/* What the parts need of each other; the first that is wrong is told. */
static const struct {
        unsigned with, all, any; /* with these: all of those, and one of those (0: none needed) */
        unsigned none;           /* and none of those */
        const char *why;
} rules[] = {
        {0, 0, BIT(YEAR) | BIT(YEAR_OF_CENTURY), 0, "it names no year: %Y or %y"},
        {BIT(YEAR), 0, 0, BIT(YEAR_OF_CENTURY), "it names the year twice: %Y and %y"},
        {BIT(DAY_OF_YEAR), 0, 0, BIT(MONTH) | BIT(DAY),
                "it names the day twice: %j and a day or month"},
        {0, 0, BIT(DAY) | BIT(DAY_OF_YEAR), 0,
                "it names no day: %d, or %j; where the text has none, put one in front with "
                "template:"},
        {BIT(DAY), BIT(MONTH), 0, 0, "it names no month: %m or %b"},
        {BIT(HOUR), 0, 0, BIT(HOUR_OF_HALF), "it names the hour twice: %H and %I"},
        {BIT(HOUR_OF_HALF), BIT(HALF), 0, 0, "%I needs %p; an hour of 0 to 23 is %H"},
        {BIT(HALF), BIT(HOUR_OF_HALF), 0, 0, "%p needs %I, an hour of 1 to 12"},
        {BIT(MINUTE), 0, BIT(HOUR) | BIT(HOUR_OF_HALF), 0,
                "%M is the minute and needs an hour, %H or %I; the month is %m"},
        {BIT(SECOND), BIT(MINUTE), 0, 0, "%S needs a minute, %M"},
        {BIT(FRACTION), BIT(SECOND), 0, 0, "%f is a fraction of a second and needs %S"},
};

static int check_parts(const struct pattern *p, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
                if ((p->parts & rules[i].with) != rules[i].with)
                        continue;
                if ((p->parts & rules[i].all) != rules[i].all || (p->parts & rules[i].none) ||
                        (rules[i].any && !(p->parts & rules[i].any)))
                        return err_set(e, ERR_CONFIG, "%s is no pattern of a date: %s",
                                yaml_show(p->text, shown), rules[i].why);
        }
        return 0;
}

int format_pattern_compile(struct arena *arena, struct str text, struct format *out, struct err *e)
{
        struct pattern p = {.text = arena_dup(arena, text)};

        if (!p.text.ptr)
                return arena_failed(arena, "a format", e);
        int rc = add_parts(&p, p.text, 0, e);
        if (!rc)
                rc = join_numbers(&p, e);
        if (!rc)
                rc = check_parts(&p, e);
        if (rc)
                return rc;
        struct date_item *items = arena_array(arena, p.count, sizeof(*items));
        if (!items)
                return arena_failed(arena, "a format", e);
        memcpy(items, p.items, p.count * sizeof(*items));
        out->kind = FORMAT_PATTERN;
        out->local = !(p.parts & BIT(OFFSET));
        out->items = items;
        out->item_count = p.count;
        out->parts = p.parts;
        return 0;
}

void format_put_expected(const struct date_item *item, struct buf *out)
{
        if (item->directive)
                buf_printf(out, "%s (%%%c)", item->directive->what, item->directive->letter);
        else if (item->literal.ptr)
                buf_printf(out, "\"%.*s\"", STR_ARG(item->literal));
        else
                buf_puts(out, "a blank");
}

/* ---- reading ---- */

/* 1: Monday, as 1970-01-01 was a Thursday. */
static int weekday_of(const struct civil *c)
{
        int64_t days = civil_seconds(c) / 86400 - (civil_seconds(c) % 86400 < 0);

        return (int)((days % 7 + 7 + 3) % 7) + 1;
}

static enum format_result set_day(const int *parts, unsigned has, struct civil *c)
{
        c->year = parts[YEAR];
        if (has & BIT(YEAR_OF_CENTURY))
                c->year = parts[YEAR_OF_CENTURY] +
                          (parts[YEAR_OF_CENTURY] < PIVOT_YEAR ? 2000 : 1900);
        c->month = parts[MONTH];
        c->day = parts[DAY];
        if (has & BIT(DAY_OF_YEAR)) {
                int year = c->year;
                c->month = c->day = 1;
                civil_set_seconds(c, civil_seconds(c) + (parts[DAY_OF_YEAR] - 1) * 86400);
                return c->year == year ? FORMAT_OK : FORMAT_NO_DAY;
        }
        return c->day <= 28 || c->day <= civil_month_days(c->year, c->month) ? FORMAT_OK
                                                                             : FORMAT_NO_DAY;
}

static enum format_result finish(const struct reading *r, unsigned has, struct civil *c)
{
        const int *parts = r->parts;
        enum format_result result = set_day(parts, has, c);

        if (result != FORMAT_OK)
                return result;
        if (has & BIT(WEEKDAY) && weekday_of(c) != parts[WEEKDAY])
                return FORMAT_WEEKDAY;
        c->hour = has & BIT(HALF) ? parts[HOUR_OF_HALF] % 12 + parts[HALF] : parts[HOUR];
        c->minute = parts[MINUTE];
        c->second = parts[SECOND];
        c->fraction = r->fraction;
        c->has_offset = (has & BIT(OFFSET)) != 0;
        c->offset_s = parts[OFFSET];
        return FORMAT_OK;
}

enum format_result format_pattern_read(
        const struct format *f, struct str text, struct format_time *out)
{
        struct reading r = {.p = text.ptr, .end = text.ptr + text.len};

        for (size_t i = 0; i < f->item_count; i++) {
                const struct date_item *item = &f->items[i];
                enum format_result result = item->take(&r, item);
                if (__builtin_expect(result == FORMAT_OK, 1))
                        continue;
                out->at = (size_t)(r.p - text.ptr);
                out->item = item;
                return result;
        }
        out->at = (size_t)(r.p - text.ptr);
        return r.p == r.end ? finish(&r, f->parts, &out->civil) : FORMAT_TRAILING;
}
