/* SPDX-License-Identifier: Apache-2.0 */
#include "emulator/faults.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_crypto.h>
#include <linux/virtio_ring.h>

#include "emulator/algs.h"
#include "emulator/device.h"
#include "hw.h"

enum form {
    FORM_NUMBER,  /* uint32_t */
    FORM_EVERY,   /* struct fault_every, N */
    FORM_EVERY2,  /* struct fault_every, N and a second number */
    FORM_FEATURE, /* uint64_t, the feature's bit is added */
    FORM_ALG,     /* uint64_t, the bit of its place in algs[] is added */
};

struct row {
    const char *name, *usage;
    enum form form;
    size_t where;  /* in struct faults */
    uint32_t max;  /* of the first number */
    uint32_t max2; /* of the second number */
};

#define AT(field) offsetof(struct faults, field)

static const struct row rows[] = {
    {"withhold", "FEATURE", FORM_FEATURE, AT(withhold), 0, 0},
    {"queues", "N", FORM_NUMBER, AT(queues), DEVICE_DATA_QUEUES_MAX, 0},
    {"queue_max", "N", FORM_NUMBER, AT(queue_max), DEVICE_QUEUE_SIZE_MAX, 0},
    {"sessions", "N", FORM_NUMBER, AT(sessions), DEVICE_SESSIONS_MAX, 0},
    {"vectors", "N", FORM_NUMBER, AT(vectors), DEVICE_VECTORS_MAX, 0},
    {"no_algo", "NAME", FORM_ALG, AT(no_algo), 0, 0},
    {"liar", "NAME", FORM_ALG, AT(liar), 0, 0},
    {"lose", "N", FORM_EVERY, AT(lose), UINT32_MAX, 0},
    {"late", "N:MS", FORM_EVERY2, AT(late), UINT32_MAX, 3600000},
    {"error", "N", FORM_EVERY, AT(error), UINT32_MAX, 0},
    {"status", "N:CODE", FORM_EVERY2, AT(status), UINT32_MAX, 255},
    {"bad_id", "N", FORM_EVERY, AT(bad_id), UINT32_MAX, 0},
    {"needs_reset", "N", FORM_EVERY, AT(needs_reset), UINT32_MAX, 0},
    {"badmsg", "N", FORM_EVERY, AT(badmsg), UINT32_MAX, 0},
    {"lose_irq", "N", FORM_EVERY, AT(lose_irq), UINT32_MAX, 0},
    {"flip", "N", FORM_EVERY, AT(flip), UINT32_MAX, 0},
    {"flip_end", "N", FORM_EVERY, AT(flip_end), UINT32_MAX, 0},
    {"stale_id", "N", FORM_EVERY, AT(stale_id), UINT32_MAX, 0},
    {"repeat", "N", FORM_EVERY, AT(repeat), UINT32_MAX, 0},
    {"jump", "N:BY", FORM_EVERY2, AT(jump), UINT32_MAX, UINT16_MAX},
    {"length", "N:LEN", FORM_EVERY2, AT(length), UINT32_MAX, UINT32_MAX},
    {"gone", "N:MS", FORM_EVERY2, AT(gone), UINT32_MAX, 3600000},
    {"change", "N", FORM_EVERY, AT(change), UINT32_MAX, 0},
    {"spurious", "N", FORM_EVERY, AT(spurious), UINT32_MAX, 0},
    {"lose_control", "N", FORM_EVERY, AT(lose_control), UINT32_MAX, 0},
    {"control_status", "N:CODE", FORM_EVERY2, AT(control_status), UINT32_MAX, 255},
};

#define NROWS (sizeof(rows) / sizeof(rows[0]))

static const struct {
    const char *name;
    unsigned bit;
} features[] = {
    {"revision_1", DEVICE_F_REVISION_1},
    {"event_idx", VIRTIO_RING_F_EVENT_IDX},
    {"indirect_desc", VIRTIO_RING_F_INDIRECT_DESC},
    {"access_platform", VIRTIO_F_ACCESS_PLATFORM},
    {"ring_reset", VIRTIO_F_RING_RESET},
};

static const char *feature_word(size_t i, unsigned *bit)
{
    if (i >= sizeof(features) / sizeof(features[0]))
        return NULL;
    *bit = features[i].bit;
    return features[i].name;
}

static const char *alg_word(size_t i, unsigned *bit)
{
    if (i >= algs_count)
        return NULL;
    *bit = (unsigned)i;
    return algs[i].name;
}

/* Puts words into the end of err->text as far as they fit. */
static void append(struct hw_error *err, const char *sep, const char *word, const char *arg)
{
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, "%s%s%s%s", sep, word, *arg ? ":" : "",
             arg);
}

static int word_arg(const struct row *row, const char *arg, void *where, struct hw_error *err)
{
    const char *(*word)(size_t, unsigned *) = row->form == FORM_FEATURE ? feature_word : alg_word;
    const char *name;
    unsigned bit;

    for (size_t i = 0; arg != NULL && (name = word(i, &bit)) != NULL; i++)
        if (strcmp(name, arg) == 0) {
            *(uint64_t *)where |= 1ull << bit;
            return 0;
        }
    snprintf(err->text, sizeof(err->text), "emulator_fault: %s:%s: accepted are", row->name,
             arg != NULL ? arg : "");
    for (size_t i = 0; (name = word(i, &bit)) != NULL; i++)
        append(err, i == 0 ? " " : ", ", name, "");
    return -EINVAL;
}

static bool number(const char *arg, uint32_t min, uint32_t max, uint32_t *out)
{
    char *end;
    unsigned long long v;

    if (arg == NULL || *arg < '0' || *arg > '9')
        return false;
    errno = 0;
    v = strtoull(arg, &end, 10);
    if (*end != '\0' || errno != 0 || v < min || v > max)
        return false;
    *out = (uint32_t)v;
    return true;
}

static int apply(const struct row *row, const char *arg, const char *arg2, struct faults *f,
                 struct hw_error *err)
{
    void *where = (char *)f + row->where;
    struct fault_every every = {0, 0};
    bool ok;

    if (row->form == FORM_FEATURE || row->form == FORM_ALG) {
        if (arg2 == NULL)
            return word_arg(row, arg, where, err);
        ok = false;
    } else {
        ok = number(arg, 1, row->max, &every.n);
        if (row->form == FORM_EVERY2)
            ok = ok && number(arg2, 0, row->max2, &every.arg);
        else
            ok = ok && arg2 == NULL;
    }
    if (!ok) {
        snprintf(err->text, sizeof(err->text),
                 "emulator_fault: bad argument of %s: accepted is %s:%s, N from 1 to %u", row->name,
                 row->name, row->usage, row->max);
        return -EINVAL;
    }
    if (row->form == FORM_NUMBER)
        *(uint32_t *)where = every.n;
    else
        *(struct fault_every *)where = every;
    return 0;
}

static int parse_piece(char *piece, struct faults *f, struct hw_error *err)
{
    const char *name = strsep(&piece, ":");
    const char *arg = strsep(&piece, ":");
    const char *arg2 = piece; /* a third ':' makes it no number */

    for (size_t i = 0; i < NROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return apply(&rows[i], arg, arg2, f, err);
    snprintf(err->text, sizeof(err->text), "emulator_fault: unknown \"%s\": accepted are", name);
    for (size_t i = 0; i < NROWS; i++)
        append(err, i == 0 ? " " : ", ", rows[i].name, rows[i].usage);
    return -EINVAL;
}

static bool strikes(const struct faults *f)
{
    const struct fault_every *const all[] = {&f->lose,   &f->late,   &f->error,    &f->status,
                                             &f->badmsg, &f->bad_id, &f->stale_id, &f->repeat,
                                             &f->jump,   &f->flip,   &f->flip_end, &f->needs_reset,
                                             &f->gone,   &f->change, &f->length,   &f->spurious};
    bool any = false;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        any = any || all[i]->n != 0;
    return any;
}

int faults_parse(const char *text, struct faults *out, struct hw_error *err)
{
    char *copy, *rest;
    int ret = 0;

    memset(out, 0, sizeof(*out));
    if (text == NULL || *text == '\0' || strcmp(text, "none") == 0)
        return 0;
    copy = strdup(text);
    if (copy == NULL)
        return -ENOMEM;
    rest = copy;
    for (char *piece; ret == 0 && (piece = strsep(&rest, ",")) != NULL;)
        ret = parse_piece(piece, out, err);
    free(copy);
    if (ret == 0 && out->queue_max != 0 && (out->queue_max & (out->queue_max - 1)) != 0) {
        snprintf(err->text, sizeof(err->text), "emulator_fault: queue_max: not a power of two");
        ret = -EINVAL;
    }
    out->strikes = strikes(out);
    return ret;
}

void faults_strike(const struct faults *f, uint64_t seq, struct fault_strike *out)
{
    out->lose = fault_hits(&f->lose, seq);
    out->bad_id = fault_hits(&f->bad_id, seq);
    out->stale_id = fault_hits(&f->stale_id, seq);
    out->repeat = fault_hits(&f->repeat, seq);
    out->jump = fault_hits(&f->jump, seq) ? (uint16_t)f->jump.arg : 0;
    out->wrong_len = fault_hits(&f->length, seq);
    out->len = f->length.arg;
    out->flip = fault_hits(&f->flip, seq);
    out->flip_end = fault_hits(&f->flip_end, seq);
    out->change = fault_hits(&f->change, seq);
    out->spurious = fault_hits(&f->spurious, seq);
    out->gone_ms = fault_hits(&f->gone, seq) ? f->gone.arg : 0;
    out->needs_reset = fault_hits(&f->needs_reset, seq);
    out->late_ms = fault_hits(&f->late, seq) ? f->late.arg : 0;
    out->status = -1;
    if (fault_hits(&f->badmsg, seq))
        out->status = VIRTIO_CRYPTO_BADMSG;
    if (fault_hits(&f->status, seq))
        out->status = (int)f->status.arg;
    if (fault_hits(&f->error, seq))
        out->status = VIRTIO_CRYPTO_ERR;
}
