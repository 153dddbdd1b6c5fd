/* Names of all groups together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/fake_cluster.h"
#include "client/scan.h"
#include "env/memory.h"

#define KEYS 300u

struct stage {
    struct fake_cluster *cluster;
    struct fake_client *fake;
    bool short_pages; /* are allowed */
};

static struct stage stage_new(uint64_t seed, unsigned groups)
{
    struct stage stage = {.cluster = fake_cluster_new(seed, 10)};
    for (group_id gid = 1; gid <= groups; gid++)
        fake_cluster_join(stage.cluster, gid);
    stage.fake = fake_client_new(stage.cluster, "c0");
    return stage;
}

static void stage_free(struct stage *stage)
{
    fake_client_free(stage->fake);
    fake_cluster_free(stage->cluster);
}

/* "a000" .. "a299", and some that begin otherwise. */
static void put_keys(struct stage *stage)
{
    struct fake_answer answer = {0};
    char key[8];
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "a%03u", i * 7 % KEYS);
        struct kv_op op = fake_op(KV_PUT, key, "value");
        fake_submit(stage->fake, &op, 0, &answer);
        assert_int_equal(answer.status, SF_OK);
    }
    struct kv_op other = fake_op(KV_PUT, "b", "");
    fake_submit(stage->fake, &other, 0, &answer);
    other = fake_op(KV_PUT, "A", "");
    fake_submit(stage->fake, &other, 0, &answer);
}

/* What one page brought. */
struct page {
    struct scan_call call;
    int status;
    bool done, more;
    size_t count;
    char names[KEYS + 10][8];
    uint64_t length_sum;
};

static void on_page(struct scan_call *call, int status)
{
    struct page *page = container_of(call, struct page, call);
    page->status = status;
    page->done = true;
    page->more = call->more;
    page->count = call->count;
    for (size_t i = 0; i < call->count; i++) {
        assert_in_range(call->entries[i].name.n, 0, 7);
        memcpy(page->names[i], call->entries[i].name.p, call->entries[i].name.n);
        page->names[i][call->entries[i].name.n] = 0;
        page->length_sum += call->entries[i].stat.length;
    }
}

static bool is_done(void *ctx)
{
    return ((const struct page *)ctx)->done;
}

static struct page *page_begin(struct stage *stage, const char *prefix, const char *after,
                               uint32_t limit, uint64_t timeout_ms)
{
    struct page *page = sf_calloc(1, sizeof *page);
    page->call = (struct scan_call){.on_done = on_page,
                                    .prefix = slice_str(prefix),
                                    .after = slice_str(after),
                                    .limit = limit,
                                    .may_be_short = stage->short_pages,
                                    .timeout_ms = timeout_ms};
    scan_submit(stage->fake->client, &page->call);
    assert_false(page->done);
    return page;
}

static void page_wait(struct stage *stage, struct page *page)
{
    assert_true(sim_run_until(stage->cluster->sim, is_done, page, FAKE_LIMIT_MS * ENV_MS_NS));
}

/* All names of the prefix "a" in pages of `limit`: "000", "001" and so on, each once. */
static void check_pages(struct stage *stage, uint32_t limit)
{
    char after[8] = "", expected[8];
    unsigned next = 0;
    bool more = true;
    while (more) {
        struct page *page = page_begin(stage, "a", after, limit, 0);
        page_wait(stage, page);
        assert_int_equal(page->status, SF_OK);
        assert_in_range(page->count, page->more ? 1 : 0, limit);
        assert_true(!page->more || page->count == limit || stage->short_pages);
        for (size_t i = 0; i < page->count; i++) {
            snprintf(expected, sizeof expected, "%03u", next++);
            assert_string_equal(page->names[i], expected);
        }
        assert_int_equal(page->length_sum, page->count * 5);
        if (page->count > 0)
            memcpy(after, page->names[page->count - 1], sizeof after);
        more = page->more;
        free(page);
    }
    assert_int_equal(next, KEYS);
}

static void pages_of_any_size_show_every_name_once(void **state)
{
    static const uint32_t limits[] = {1, 2, 7, 100, KEYS, SF_SCAN_MAX};
    (void)state;
    for (unsigned groups = 1; groups <= FAKE_GROUPS_MAX; groups++) {
        struct stage stage = stage_new(groups, groups);
        put_keys(&stage);
        for (size_t i = 0; i < 2 * (sizeof limits / sizeof *limits); i++) {
            stage.short_pages = i % 2;
            check_pages(&stage, limits[i / 2]);
        }
        stage_free(&stage);
    }
}

/* Where all names are one group's, its share of a page is all that comes. */
static void a_group_is_asked_for_its_share(void **state)
{
    struct stage stage = stage_new(9, 3);
    struct fake_answer answer = {0};
    char key[8];
    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        const struct config *config = stage.cluster->config;
        snprintf(key, sizeof key, "a%03u", i);
        struct kv_op op = fake_op(KV_PUT, key, "value");
        if (config->shards[kv_op_shard(&op, config->routing, config->shard_count)] == 1)
            fake_submit(stage.fake, &op, 0, &answer);
    }
    stage.short_pages = true;
    struct page *page = page_begin(&stage, "a", "", 60, 0);
    page_wait(&stage, page);
    assert_int_equal(page->count, 60 / 3 + 60 / 12 + 8);
    assert_true(page->more);
    free(page);
    stage_free(&stage);
}

static void a_prefix_that_nothing_has_gives_an_empty_page(void **state)
{
    struct stage stage = stage_new(4, 3);
    (void)state;
    put_keys(&stage);
    struct page *page = page_begin(&stage, "x", "", 10, 0);
    page_wait(&stage, page);
    assert_int_equal(page->status, SF_OK);
    assert_int_equal(page->count, 0);
    assert_false(page->more);
    free(page);
    stage_free(&stage);
}

static void shards_that_moved_meanwhile_are_asked_where_they_are(void **state)
{
    struct stage stage = stage_new(5, 2);
    (void)state;
    put_keys(&stage);
    fake_cluster_join(stage.cluster, 3);
    check_pages(&stage, 100);
    fake_cluster_leave(stage.cluster, 1);
    check_pages(&stage, 100);
    stage_free(&stage);
}

static void without_groups_a_page_waits(void **state)
{
    struct stage stage = stage_new(6, 0);
    (void)state;
    struct page *late = page_begin(&stage, "a", "", 10, 2000);
    page_wait(&stage, late);
    assert_int_equal(late->status, SF_TIMEOUT);
    struct page *page = page_begin(&stage, "a", "", 10, 0);
    sim_run_ns(stage.cluster->sim, 3 * ENV_SECOND_NS);
    assert_false(page->done);
    fake_cluster_join(stage.cluster, 1);
    page_wait(&stage, page);
    assert_int_equal(page->status, SF_OK);
    free(late);
    free(page);
    stage_free(&stage);
}

static void without_masters_a_page_ends_with_its_deadline(void **state)
{
    struct stage stage = stage_new(7, 1);
    (void)state;
    for (unsigned i = 0; i < FAKE_MASTERS; i++)
        sim_node_crash(stage.cluster->masters[i].node);
    struct page *page = page_begin(&stage, "a", "", 10, 2000);
    page_wait(&stage, page);
    assert_int_equal(page->status, SF_TIMEOUT);
    free(page);
    stage_free(&stage);
}

static void a_bad_limit_is_refused_and_a_cancelled_page_silent(void **state)
{
    struct stage stage = stage_new(8, 3);
    (void)state;
    struct page *page = page_begin(&stage, "a", "", SF_SCAN_MAX + 1, 0);
    page_wait(&stage, page);
    assert_int_equal(page->status, SF_INVALID);
    free(page);
    page = page_begin(&stage, "a", "", 0, 0);
    page_wait(&stage, page);
    assert_int_equal(page->status, SF_INVALID);
    free(page);
    page = page_begin(&stage, "a", "", 10, 0);
    scan_cancel(&page->call);
    sim_run_ns(stage.cluster->sim, ENV_SECOND_NS);
    assert_false(page->done);
    free(page);
    page = page_begin(&stage, "a", "", 10, 0); /* open when the client ends */
    stage_free(&stage);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_any_size_show_every_name_once),
        cmocka_unit_test(a_group_is_asked_for_its_share),
        cmocka_unit_test(a_prefix_that_nothing_has_gives_an_empty_page),
        cmocka_unit_test(shards_that_moved_meanwhile_are_asked_where_they_are),
        cmocka_unit_test(without_groups_a_page_waits),
        cmocka_unit_test(without_masters_a_page_ends_with_its_deadline),
        cmocka_unit_test(a_bad_limit_is_refused_and_a_cancelled_page_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
