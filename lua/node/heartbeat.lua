-- heartbeat: renews leases, marks and speeds of nodes: id, epoch, lease, hold of the mark, ms per s
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

local PACE_KEPT_MS = 600000
local HYSTERESIS = 0.75 -- of a class of speed

-- The class of speed of a node that takes so long for a second of speech.
local function pace_of(node, ms_per_second)
  local exact = 4 * math.log(ms_per_second) / math.log(2)
  if node.pace ~= '' and math.abs(exact - tonumber(node.pace)) <= HYSTERESIS then
    return node.pace
  end
  return int(math.floor(exact + 0.5))
end

local unknown = {}
local waiting = call('EXISTS', prefix .. 'qs') == 1
for i = 1, #beats, 5 do
  local node = load_node(beats[i])
  if not node or node.epoch ~= beats[i + 1] or node.state == 'offline' then
    unknown[#unknown + 1] = beats[i]
  else
    call('ZADD', prefix .. 'nodes', int(now + tonumber(beats[i + 2])), node.id)
    local hold_ms = tonumber(beats[i + 3])
    local mark = hold_ms > 0 and now + hold_ms or 0
    local changes = node.overloaded ~= mark or node.penalties ~= '' or is_doubted(node)
    local ms_per_second = tonumber(beats[i + 4])
    if ms_per_second > 0 then
      local pace = pace_of(node, ms_per_second)
      changes = changes or pace ~= node.pace
      node.pace = pace
      call('HSET', prefix .. 'node:' .. node.id, 'ms_per_second', beats[i + 4],
        'paced_until', int(now + PACE_KEPT_MS))
    end
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
