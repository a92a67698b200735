/* The table of formats, and those that need no grammar of their own. */
#include "schemas/format.h"

#include "schemas/regex.h"

static const struct format formats[] = {
        {"date", format_date},
        {"date-time", format_date_time},
        {"duration", format_duration},
        {"email", format_email},
        {"hostname", format_hostname},
        {"idn-email", format_idn_email},
        {"idn-hostname", format_idn_hostname},
        {"ipv4", format_ipv4},
        {"ipv6", format_ipv6},
        {"iri", format_iri},
        {"iri-reference", format_iri_reference},
        {"json-pointer", format_json_pointer},
        {"regex", format_regex},
        {"relative-json-pointer", format_relative_json_pointer},
        {"time", format_time},
        {"uri", format_uri},
        {"uri-reference", format_uri_reference},
        {"uri-template", format_uri_template},
        {"uuid", format_uuid},
};

const struct format *format_find(struct str name)
{
        for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
                if (str_is(name, formats[i].name))
                        return &formats[i];
        return NULL;
}

static bool is_hex(char c)
{
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

bool format_uuid(struct str s)
{
        static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

        if (s.len != sizeof(shape) - 1)
                return false;
        for (size_t i = 0; i < s.len; i++)
                if (shape[i] == '-' ? s.ptr[i] != '-' : !is_hex(s.ptr[i]))
                        return false;
        return true;
}

bool format_json_pointer(struct str s)
{
        if (s.len > 0 && s.ptr[0] != '/')
                return false;
        for (size_t i = 0; i < s.len; i++)
                if (s.ptr[i] == '~' && (i + 1 == s.len || (s.ptr[i + 1] | 1) != '1'))
                        return false;
        return true;
}

bool format_relative_json_pointer(struct str s)
{
        size_t digits = 0;

        while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
                digits++;
        if (digits == 0 || (digits > 1 && s.ptr[0] == '0'))
                return false;
        s = (struct str){s.ptr + digits, s.len - digits};
        return str_is(s, "#") || format_json_pointer(s);
}

bool format_regex(struct str s)
{
        return regex_is_valid(s);
}
