-- survey: how many nodes of this cell could take a job with this requirement now, about
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV requirement str
-- RETURNS OK free_nodes
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/choice.lua

local groups, free = intersect(group_sets(requirement, true)), 0
for i = 1, math.min(#groups, MAX_GROUPS_COMPARED) do
  local group = prefix .. 'grp:' .. groups[i]
  if call('SISMEMBER', group .. ':penalties', requirement) == 0 then
    free = free + call('ZCARD', group .. ':free')
  end
end
return { 'OK', free }
