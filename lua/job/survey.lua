-- survey: how many slots this cell could give to jobs with this requirement now, about
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV requirement str
-- RETURNS OK free_slots
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/choice.lua

local MAX_GROUPS_COUNTED = 16
local MAX_NODES_COUNTED = 4 -- of each group; of the others it is enough to know that they are there

local free, counted = 0, 0
each_capable(requirement, '', function(gid)
  if is_open_to(gid, requirement) then
    local nodes = prefix .. 'grp:' .. gid .. ':free'
    free = free + math.max(0, call('ZCARD', nodes) - MAX_NODES_COUNTED)
    for _, id in ipairs(call('ZRANGE', nodes, 0, MAX_NODES_COUNTED - 1)) do
      local node = load_node(id)
      free = free + (node and math.max(0, places(node) - used_slots(node)) or 0)
    end
    counted = counted + 1
  end
  return counted >= MAX_GROUPS_COUNTED
end)
return { 'OK', free }
