-- close_stream: frees the slot of a stream that comes to nothing, and forgets it
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV job str
-- ARGV erred int
-- RETURNS OK state handovers
-- RETURNS GONE
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/stream.lua

local stream = is_stream(job) and load_job_head(job)
if not stream or stream.owner ~= instance then
  return { 'GONE' }
end
local freed = close_stream(stream)
if not freed then
  return { 'OK', 'cancelled', {} }
end
if erred == 0 and not next(released) and call('EXISTS', prefix .. 'qs', prefix .. 'pin:' .. freed.id) == 0 then
  place_node(freed)
  return { 'OK', 'cancelled', {} }
end

-- INCLUDE lib/group.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/health.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/reclaim.lua
-- INCLUDE lib/handover.lua
if erred == 1 then
  note_error(freed, stream, false)
  settle_node(freed)
end
serve(freed)
return { 'OK', 'cancelled', handed }
