/* Between donor.c and models.c. */
#ifndef SURGERY_FRONTEND_DONOR_H
#define SURGERY_FRONTEND_DONOR_H
#include "compiler/frontend/frontend.h"
/* Builds a network's modules into the root of an empty graph. False with diagnostics. */
bool build_root(Session *s, Graph *g, Scope *scope, const Expr *model, Span origin);
#endif
