# An XML document of orders; fixed numbers.
BEGIN {
    seed = 3
    print "<orders>"
    for (i = 0; i < N; i++) {
        seed = (seed * 1103515245 + 12345) % 2147483648
        r = int(seed / 65536)
        printf "<order id=\"o%d\" state=\"%s\"><customer><name>Customer %d</name><city>City %d</city></customer>", i, r % 3 ? "open" : "closed", r % 500, r % 40
        for (j = 0; j <= r % 5; j++)
            printf "<line sku=\"s%d\" count=\"%d\">part %d of %d</line>", (r + j) % 300, j + 1, j, r % 5
        print "</order>"
    }
    print "</orders>"
}
