/* One line on standard error for what an operator has to know: "LEVEL room: text". */
#ifndef ENV_LOG_H
#define ENV_LOG_H

#include "env/assert.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Lines below this level are dropped. Starts at LOG_LEVEL_INFO; simulations set it higher. */
extern enum log_level log_level_min;
/* Where lines go; the default writes them to standard error with the wall-clock time. */
extern void (*log_sink)(enum log_level level, const char *room, const char *text);

void log_line(enum log_level level, const char *room, const char *format, ...) SF_PRINTF(3, 4);

#define log_debug(room, ...) log_line(LOG_LEVEL_DEBUG, room, __VA_ARGS__)
#define log_info(room, ...) log_line(LOG_LEVEL_INFO, room, __VA_ARGS__)
#define log_warn(room, ...) log_line(LOG_LEVEL_WARN, room, __VA_ARGS__)
#define log_error(room, ...) log_line(LOG_LEVEL_ERROR, room, __VA_ARGS__)

#endif
