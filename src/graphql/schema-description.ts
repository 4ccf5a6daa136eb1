/** What holds for the whole schema: clients read it first. */
export const schemaDescription = `Hookline receives webhooks, keeps them, streams them live and delivers them to endpoints.

**Scope.** All that a key sees belongs to the key's project; the id of another project's object answers like an unknown one.

**Ids.** \`id\` is one string everywhere: here, in REST answers, in \`webhook-id\` headers and in logs. Its prefix names the
kind (\`src_\`, \`msg_\`, \`ept_\`, \`dlv_\` …); apart from that it is opaque.

**Pages.** Every list that can grow is a connection, read forwards: \`first\` (1 to 100) and \`after\`; for the other end ask
for the other \`order\`. \`totalCount\` exists only on lists of configuration, where counting is cheap;
of messages \`Source\` tells the first and last sequence. A page may hold fewer items than \`first\`, even none, while
\`hasNextPage\` is true: it ends after looking at 10,000 rows, or at 8 MiB of message bodies in the response, and \`endCursor\`
has moved past what a filter hid. One request may ask for 5,000 objects, nested pages multiplied. Every other list states
its bound.

**Streams.** Streams of messages resume: each event holds its source's \`cursor\`, and a client that hands the last one of
each source to \`after\` goes on from there, over WebSocket and SSE alike. The same cursors page through \`Source.messages\`.
All other subscriptions begin with what is, at most 100 objects, and go on with each change, so that there is nothing to
resume; quick changes may be told as one. Subscriptions give the types that queries give.

**Errors.** What a caller can act on is a member of the mutation's result union and implements \`UserError\`: always
select \`... on UserError { message code path }\`, which also catches members that are added later. All else is in \`errors\`
with \`extensions.code\`: UNAUTHENTICATED, FORBIDDEN (the key lacks the scope), NOT_FOUND (subscriptions), BAD_USER_INPUT,
CURSOR_EXPIRED, QUERY_TOO_LARGE, UNAVAILABLE (with \`extensions.retryAfterMs\`), LISTENER_TAKEN,
INTERNAL_ERROR.

**Null** in an answer means 'may legitimately be absent', and the description says when. In an input a field that is left
out takes its default, and in an update it stays as it is; null means none: no filter, unlimited, never.

**Units** end the name: \`durationMs\`, \`bodyBytes\`.

**Evolution.** There are no versions. At any time there may be new types, fields, optional arguments and input fields,
enum values, union members and implementations: keep a default branch. What exists is not renamed, narrowed or removed,
unless it was marked \`@deprecated(reason: "Use x. Goes after 2028-01.")\` at least twelve months before, and then only in
a major release.`
