local function f(n) return n == 0 and 1 or n * f(n - 1) end
local ok, e = pcall(f, 5)
local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end)
return {ok, e, t, a = nil}
