-- heartbeat: renews the leases and marks of a batch of nodes: id, epoch, lease, hold of the mark
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV beats list
-- RETURNS OK unknown handovers
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

local unknown = {}
local waiting = call('EXISTS', prefix .. 'qs') == 1
for i = 1, #beats, 4 do
  local node = load_node(beats[i])
  if not node or node.epoch ~= beats[i + 1] or node.state == 'offline' then
    unknown[#unknown + 1] = beats[i]
  else
    call('ZADD', prefix .. 'nodes', int(now + tonumber(beats[i + 2])), node.id)
    local hold_ms = tonumber(beats[i + 3])
    local mark = hold_ms > 0 and now + hold_ms or 0
    local changes = node.overloaded ~= mark or node.penalties ~= '' or is_doubted(node)
    if changes then
      node.overloaded = mark
      settle_node(node)
    end
    if waiting or changes then
      serve(node)
    end
  end
end
return { 'OK', unknown, handed }
