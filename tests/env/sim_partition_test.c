/* Partitions: who hears whom in each shape. The nodes are never started. */
#include "cmocka_all.h"

#include "sim/world.h"

#define PARTED_MAX 7u

struct parted {
    struct sim *sim;
    struct sim_node *nodes[PARTED_MAX];
    size_t count;
};

static void parted_init(struct parted *p, uint64_t seed, size_t count)
{
    const struct sim_program none = {NULL, NULL, NULL};
    *p = (struct parted){.sim = sim_new(seed), .count = count};
    for (size_t i = 0; i < count; i++)
        p->nodes[i] = sim_node_new(p->sim, (const char[2]){(char)('a' + i), 0}, &none);
}

static bool hears(const struct parted *p, size_t who, size_t whom)
{
    return !p->nodes[whom]->cut_to[p->nodes[who]->number - 1];
}

static void part(struct parted *p, enum sim_shape shape, bool one_way, const uint8_t *classes)
{
    sim_partition(p->sim, &(struct sim_partition){.shape = shape,
                                                  .one_way = one_way,
                                                  .nodes = p->nodes,
                                                  .count = p->count,
                                                  .classes = classes});
}

/* Of how many it hears both ways, itself included. */
static size_t friends(const struct parted *p, size_t who)
{
    size_t count = 1;
    for (size_t i = 0; i < p->count; i++)
        count += i != who && hears(p, who, i) && hears(p, i, who);
    return count;
}

static size_t cuts(const struct parted *p)
{
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; k < p->count; k++)
            count += !hears(p, i, k);
    return count;
}

/* How many of the nodes have so many friends. */
static size_t with_friends(const struct parted *p, size_t count)
{
    size_t with = 0;
    for (size_t i = 0; i < p->count; i++)
        with += friends(p, i) == count;
    return with;
}

static void check_ring(const struct parted *p)
{
    for (size_t i = 0; i < p->count; i++) {
        size_t heard = 0;
        for (size_t k = 0; k < p->count; k++)
            heard += i != k && hears(p, i, k);
        assert_int_equal(heard, p->count / 2);
    }
}

static void partitions_have_their_shapes(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        for (enum sim_shape shape = 0; shape < SIM_SHAPES; shape++) {
            struct parted p;
            parted_init(&p, seed, seed % 2 == 0 ? 5 : 7);
            size_t n = p.count, half = n / 2;
            part(&p, shape, false, NULL);
            switch (shape) {
            case SIM_HALVES:
                assert_int_equal(with_friends(&p, half), half);
                assert_int_equal(with_friends(&p, half + 1), half + 1);
                break;
            case SIM_ISOLATED:
                assert_int_equal(with_friends(&p, 1), 1);
                assert_int_equal(with_friends(&p, n - 1), n - 1);
                break;
            case SIM_BRIDGE:
                assert_int_equal(with_friends(&p, n), 1);
                assert_int_equal(with_friends(&p, half + 1), n - 1);
                break;
            case SIM_RING:
                check_ring(&p);
                break;
            case SIM_STAR:
                assert_int_equal(with_friends(&p, n), 1);
                assert_int_equal(with_friends(&p, 2), n - 1);
                break;
            }
            sim_heal_all(p.sim);
            assert_int_equal(cuts(&p), 0);
            sim_free(p.sim);
        }
    }
}

static void one_way_partitions_leave_the_other_way(void **state)
{
    (void)state;
    size_t first_hears = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct parted whole, one_way;
        parted_init(&whole, seed, 2);
        parted_init(&one_way, seed, 2);
        part(&whole, SIM_HALVES, false, NULL);
        part(&one_way, SIM_HALVES, true, NULL);
        assert_int_equal(cuts(&whole), 2);
        assert_int_equal(cuts(&one_way), 1);
        first_hears += hears(&one_way, 0, 1);
        sim_free(whole.sim);
        sim_free(one_way.sim);
    }
    assert_in_range(first_hears, 5, 35);
}

/* Two servers and three clients: servers always hear each other, and so do clients. */
static void classes_are_parted_from_each_other_alone(void **state)
{
    (void)state;
    static const uint8_t classes[] = {0, 0, 1, 1, 1};
    size_t parted = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct parted p;
        parted_init(&p, seed, 5);
        part(&p, (enum sim_shape)(seed % SIM_SHAPES), false, classes);
        for (size_t i = 0; i < 5; i++)
            for (size_t k = 0; k < 5; k++)
                assert_true(classes[i] != classes[k] || hears(&p, i, k));
        parted += cuts(&p) > 0;
        sim_free(p.sim);
    }
    assert_in_range(parted, 30, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_have_their_shapes),
        cmocka_unit_test(one_way_partitions_leave_the_other_way),
        cmocka_unit_test(classes_are_parted_from_each_other_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
