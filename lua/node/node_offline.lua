-- node_offline: takes a node out of the choice and says which of its jobs are open
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV node str
-- ARGV epoch str
-- RETURNS OK jobs | FENCED
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/stream.lua
-- INCLUDE lib/group.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/reclaim.lua
-- INCLUDE lib/handover.lua
-- INCLUDE lib/offline.lua

local gone = load_node(node)
if not gone then
  return { 'OK', {} }
end
if gone.epoch ~= epoch then
  return { 'FENCED' }
end
return { 'OK', take_offline(gone) }
