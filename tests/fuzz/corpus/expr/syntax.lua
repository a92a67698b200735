--[==[ comment ]==] local a <const>, b = [[long]], "q\z
   x" goto done
::done:: while true do break end
return #a .. b, 0x1p4, 1e3 // 7, -2 ^ 2, 5 & 3 | 1 ~ 2
