# A log written, parsed, counted, sorted and printed, as Perl is used on text; the same on every run.
use strict;
use warnings;

my $state = 42;
sub random { $state = ($state * 1103515245 + 12345) & 0x7fffffff; return ($state >> 16) % $_[0]; }

my @agents = ('Mozilla/5.0 (X11; Linux x86_64)', 'curl/7.88.1', 'a crawler that says who it is');
my $log = '';
for my $i (1 .. 6000) {
    $log .= sprintf("10.0.%d.%d - - [%02d/Jan/2023] \"GET /page/%d?q=%s HTTP/1.1\" %d %d \"%s\"\n",
        random(8), random(250), 1 + random(28), random(300), 'x' x random(20),
        (200, 200, 200, 304, 404)[random(5)], random(90000), $agents[random(3)]);
}

my (%hosts, %pages, %days, @errors);
for my $line (split /\n/, $log) {
    my ($host, $day, $page, $query, $status, $bytes, $agent) = $line =~
        m{^(\S+) \S+ \S+ \[(\d+)/\w+/\d+\] "GET (\S+?)\?q=(\w*) [^"]*" (\d+) (\d+) "([^"]*)"$} or next;
    $hosts{$host}{bytes} += $bytes;
    push @{ $hosts{$host}{pages} }, $page;
    $pages{$page}{$agent}++;
    $days{$day}{$status}++;
    push @errors, { host => $host, page => $page, query => $query } if $status == 404;
}

my @best = (sort { $hosts{$b}{bytes} <=> $hosts{$a}{bytes} || $a cmp $b } keys %hosts)[0 .. 199];
my @lines = map { join ' ', $_, $hosts{$_}{bytes}, scalar @{ $hosts{$_}{pages} },
                  join ',', sort @{ $hosts{$_}{pages} } } @best;
(my $report = join "\n", @lines) =~ s{/page/(\d+)}{ 'p' . ($1 % 10) }ge;
my %errors = map { ("$_->{host} $_->{page}" => [ reverse split //, $_->{query} ]) } @errors;
delete $hosts{$_} for grep { $hosts{$_}{bytes} < 500_000 } keys %hosts;
printf "%d hosts, %d pages, %d days, %d errors, %d characters\n",
    scalar keys %hosts, scalar keys %pages, scalar keys %days, scalar keys %errors, length $report;
