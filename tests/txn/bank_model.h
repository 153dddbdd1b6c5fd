/* bank_model: the accounts as a sequential specification. What an account holds is known by a token
 * that is never the same twice.
 *
 *   MOVE   argument: {u8 account, u64 token before, u64 token after} for each that it touches. It
 *          happens if all hold what it says, else it changes nothing; answered OK, it happened
 *   LOOK   argument: u8 account; result: u64 token
 */
#ifndef TESTS_TXN_BANK_MODEL_H
#define TESTS_TXN_BANK_MODEL_H

#include "linear/linear.h"

enum bank_kind { BANK_MOVE = 1, BANK_LOOK };

extern const struct linear_model bank_model;

#endif
