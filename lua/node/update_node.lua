-- update_node: changes what a node can do, how much, or whether it takes new jobs
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV node str
-- ARGV epoch str
-- ARGV atoms str
-- ARGV max_jobs int
-- ARGV draining int
-- ARGV held int
-- RETURNS OK epoch handovers is_held | FENCED
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

local changed = load_node(node)
if not changed or changed.epoch ~= epoch or (changed.state == 'offline' and held < 0) then
  return { 'FENCED' }
end
local key = prefix .. 'node:' .. node
if held >= 0 then
  call('HSET', key, 'held', held)
end
local is_held = call('HGET', key, 'held') == '1'
if changed.state == 'offline' then -- what an operator wants counts when it comes back
  return { 'OK', epoch, handed, is_held and 1 or 0 }
end
if atoms ~= '-' then
  changed.atoms = ' ' .. atoms .. ' '
end
if max_jobs >= 0 then
  changed.max = max_jobs
end
if draining >= 0 or held >= 0 then
  changed.state = (draining == 1 or is_held) and 'draining' or 'online'
end
settle_node(changed)
serve(changed)
return { 'OK', epoch, handed, is_held and 1 or 0 }
