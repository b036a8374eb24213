/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench.svg: a panel for each section that was measured, what varies in it from
 * left to right in powers of two, a line for each algorithm or side.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define WIDTH  560
#define HEIGHT 300
#define LEFT   60
#define TOP    40
#define LEGEND 220 /* to the right */
#define BOTTOM 50
#define LINES  32

static const char *const colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e",
                                      "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"};
#define COLOURS (sizeof(colours) / sizeof(colours[0]))

struct panel {
    const char *section, *title, *across, *up;
    bool by_jobs; /* across */
    /* Up: microseconds of each side, or vcrypto's ratio by CPU time, or by the
     * clock. */
    enum { COST, BY_CPU, BY_CLOCK } what;
};

static const struct panel panels[] = {
    {"throughput", "Throughput with 64 jobs, everything on one CPU, by CPU time", "bytes",
     "times the default provider", false, BY_CPU},
    {"multi", "Two processes, 64 jobs each, all CPUs, by the clock", "bytes",
     "times the default provider", false, BY_CLOCK},
    {"jobs", "AES-128-CBC of 16 KiB, everything on one CPU, by CPU time", "jobs",
     "times the default provider", true, BY_CPU},
    {"cost", "A request nearly without data", "jobs", "us of the application's thread", true, COST},
    {"plain", "Outside jobs, one CPU, by CPU time", "bytes", "times the default provider", false,
     BY_CPU},
};

#define PANELS (sizeof(panels) / sizeof(panels[0]))

/* A line of a panel: those points that have its label. */
struct line {
    char label[64];
};

static void label_of(const struct panel *panel, const struct point *p, unsigned side, char *out,
                     size_t room)
{
    if (panel->what == COST)
        snprintf(out, room, "%s, %s, %s", side_names[p->sides[side]],
                 p->callback ? "callback" : "fd", p->cpus == 1 ? "one CPU" : "all CPUs");
    else if (panel->by_jobs)
        snprintf(out, room, "%s", p->callback ? "callback" : "fd");
    else
        snprintf(out, room, "%s %s", p->alg, p->len == 0 ? "" : p->decrypts ? "dec" : "enc");
}

static double across_of(const struct panel *panel, const struct point *p)
{
    return panel->by_jobs ? p->jobs : p->len != 0 ? (double)p->len : 1;
}

static double up_of(const struct panel *panel, const struct result *r, unsigned side)
{
    switch (panel->what) {
    case COST: return r->sides[side].thread * 1e6;
    case BY_CPU: return r->sides[1].cpu_ratio;
    case BY_CLOCK: break;
    }
    return r->sides[1].ratio;
}

/* What of a point is drawn: each side's cost, or one ratio; signatures have no
 * length to be drawn at. */
static unsigned values_of(const struct panel *panel, const struct point *p, const struct result *r)
{
    unsigned n = 0;

    if (strcmp(p->section, panel->section) != 0 || r->error[0] != '\0')
        return 0;
    if (panel->what != COST)
        return p->len != 0;
    while (n < SIDES_MAX && p->sides[n] != SIDE_NONE)
        n++;
    return n;
}

struct axes {
    double x0, x1; /* log2 */
    double y1;     /* from 0 */
    double top;    /* of the panel on the page */
};

static double at_x(const struct axes *a, double x)
{
    return LEFT + (log2(x) - a->x0) / (a->x1 - a->x0) * WIDTH;
}

static double at_y(const struct axes *a, double y)
{
    return a->top + TOP + HEIGHT - y / a->y1 * HEIGHT;
}

/* False: nothing was measured. */
static bool find_axes(const struct bench *b, const struct result *results,
                      const struct panel *panel, struct axes *a)
{
    bool any = false;

    a->x0 = 64;
    a->x1 = a->y1 = 0;
    for (unsigned i = 0; i < b->count; i++) {
        const struct point *p = &b->points[i];

        for (unsigned s = 0; s < values_of(panel, p, &results[i]); s++) {
            double x = log2(across_of(panel, p)), y = up_of(panel, &results[i], s);

            a->x0 = x < a->x0 ? x : a->x0;
            a->x1 = x > a->x1 ? x : a->x1;
            a->y1 = y > a->y1 ? y : a->y1;
            any = true;
        }
    }
    if (a->x1 <= a->x0)
        a->x1 = a->x0 + 1;
    a->y1 = a->y1 > 0 ? a->y1 * 1.1 : 1;
    return any;
}

static void draw_grid(FILE *f, const struct axes *a)
{
    double step = pow(10, floor(log10(a->y1)));

    step = a->y1 / step < 3 ? step / 4 : a->y1 / step < 6 ? step / 2 : step;
    for (int i = 0; i * step <= a->y1; i++)
        fprintf(f,
                "<path class='g' d='M%d %.1fh%d'/>"
                "<text x='%d' y='%.1f' text-anchor='end'>%g</text>\n",
                LEFT, at_y(a, i * step), WIDTH, LEFT - 5, at_y(a, i * step) + 4, i * step);
    for (int i = (int)ceil(a->x0); i <= a->x1; i++)
        fprintf(f,
                "<path class='g' d='M%.1f %.1fv%d'/>"
                "<text x='%.1f' y='%.1f' text-anchor='middle'>%g</text>\n",
                at_x(a, exp2(i)), a->top + TOP, HEIGHT, at_x(a, exp2(i)),
                a->top + TOP + HEIGHT + 16, exp2(i));
}

static void draw_frame(FILE *f, const struct panel *panel, const struct axes *a)
{
    double middle = a->top + TOP + HEIGHT / 2.0;

    draw_grid(f, a);
    fprintf(f, "<text x='%d' y='%.0f' class='t'>%s</text>\n", LEFT, a->top + TOP - 15,
            panel->title);
    fprintf(f, "<text x='%d' y='%.0f' text-anchor='middle'>%s</text>\n", LEFT + WIDTH / 2,
            a->top + TOP + HEIGHT + 35, panel->across);
    fprintf(
        f, "<text x='15' y='%.0f' text-anchor='middle' transform='rotate(-90 15 %.0f)'>%s</text>\n",
        middle, middle, panel->up);
}

static void draw_line(FILE *f, const struct bench *b, const struct result *results,
                      const struct panel *panel, const struct axes *a, const char *label,
                      unsigned number)
{
    const char *colour = colours[number % COLOURS];
    const char *dash = number >= COLOURS ? " stroke-dasharray='5 3'" : "";
    double y = a->top + TOP + 12 + 15 * number;
    bool first = true;

    fprintf(f, "<path class='l' stroke='%s'%s d='", colour, dash);
    for (unsigned i = 0; i < b->count; i++)
        for (unsigned s = 0; s < values_of(panel, &b->points[i], &results[i]); s++) {
            char mine[64];

            label_of(panel, &b->points[i], s, mine, sizeof(mine));
            if (strcmp(mine, label) != 0)
                continue;
            fprintf(f, "%c%.1f %.1f", first ? 'M' : 'L', at_x(a, across_of(panel, &b->points[i])),
                    at_y(a, up_of(panel, &results[i], s)));
            first = false;
        }
    fprintf(f,
            "'/>\n<path class='l' stroke='%s'%s d='M%d %.1fh20'/><text x='%d' y='%.1f'>%s</text>\n",
            colour, dash, LEFT + WIDTH + 12, y - 4, LEFT + WIDTH + 37, y, label);
}

static unsigned find_lines(const struct bench *b, const struct result *results,
                           const struct panel *panel, struct line *lines)
{
    unsigned n = 0;

    for (unsigned i = 0; i < b->count; i++)
        for (unsigned s = 0; s < values_of(panel, &b->points[i], &results[i]); s++) {
            char label[64];
            unsigned k = 0;

            label_of(panel, &b->points[i], s, label, sizeof(label));
            while (k < n && strcmp(lines[k].label, label) != 0)
                k++;
            if (k == n && n < LINES)
                memcpy(lines[n++].label, label, sizeof(label));
        }
    return n;
}

bool plot_write(const struct bench *b, const struct result *results)
{
    struct line lines[LINES];
    struct axes a = {.top = 0};
    char name[4096];
    FILE *f;

    snprintf(name, sizeof(name), "%s/bench.svg", b->out);
    f = fopen(name, "we");
    if (f == NULL) {
        perror(name);
        return false;
    }
    fprintf(f,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d'>\n"
            "<style>text{font:11px sans-serif}.t{font-weight:bold;font-size:13px}"
            ".g{stroke:#ddd}.l{fill:none;stroke-width:1.6}</style>\n"
            "<rect width='100%%' height='100%%' fill='white'/>\n",
            LEFT + WIDTH + LEGEND, (int)PANELS * (TOP + HEIGHT + BOTTOM));
    for (unsigned i = 0; i < PANELS; i++) {
        unsigned n;

        if (!find_axes(b, results, &panels[i], &a))
            continue;
        draw_frame(f, &panels[i], &a);
        n = find_lines(b, results, &panels[i], lines);
        for (unsigned k = 0; k < n; k++)
            draw_line(f, b, results, &panels[i], &a, lines[k].label, k);
        a.top += TOP + HEIGHT + BOTTOM;
    }
    fprintf(f, "</svg>\n");
    return fclose(f) == 0;
}
