#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "client/fake_cluster.h"

static void a_put_is_read_back(void **state)
{
    struct fake_cluster *cluster = fake_cluster_new(1, 10);
    (void)state;
    fake_cluster_join(cluster, 1);
    struct fake_client *fake = fake_client_new(cluster, "c0");
    struct fake_answer answer = {0};
    struct kv_op put = fake_op(KV_PUT, "color", "red"), get = fake_op(KV_GET, "color", "");
    fake_submit(fake, &put, 0, &answer);
    assert_int_equal(answer.status, SF_OK);
    fake_submit(fake, &get, 0, &answer);
    assert_int_equal(answer.status, SF_OK);
    assert_int_equal(answer.data.n, 3);
    fake_answer_deinit(&answer);
    fake_client_free(fake);
    fake_cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
