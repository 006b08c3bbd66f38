/* What signal handlers do about a question that is being asked: both are safe there. ui_prompt
 * itself is declared in ui.h. */
#ifndef SHIPIT_CMD_UI_PROMPT_H
#define SHIPIT_CMD_UI_PROMPT_H

/* Give the terminal its echo back; does nothing while nobody asks. */
void prompt_restore(void);
/* Take it away again. */
void prompt_resume(void);

#endif
