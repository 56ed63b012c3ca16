using Kedge.Node.ControlLink;
using Kedge.Node.Routing;
using Kedge.Protocol;
using Microsoft.Extensions.Logging;

namespace Kedge.Tests.ControlLink;

public class RepairLogTests
{
    private readonly Lines _lines = new();
    private readonly RepairLog _log;
    private Instant _now = new(TimeSpan.TicksPerHour);

    public RepairLogTests() => _log = new RepairLog(_lines);

    [Fact]
    public void What_was_put_back_is_logged_at_once()
    {
        _log.Add("kedge0", new RoutingAdditions(Links: 0, Addresses: 0, Routes: 1, Rules: 2), _now);
        Assert.Equal(["Put back 2 rules and 1 route of kedge0, which another program had deleted"], _lines.Take());

        _now += TimeSpan.FromSeconds(11);
        _log.Add("kedge0", new RoutingAdditions(Links: 1, Addresses: 1, Routes: 3, Rules: 2), _now);
        Assert.Equal(
            [
                "Set kedge0 up again, which another program had set down or given another MTU",
                "Put back 2 rules, 3 routes and 1 address of kedge0, which another program had deleted",
            ],
            _lines.Take());
    }

    [Fact]
    public void A_fight_is_summed_up_every_ten_seconds()
    {
        for (int i = 0; i < 100; i++)
        {
            _log.Add("kedge0", new RoutingAdditions(Links: 0, Addresses: 0, Routes: 0, Rules: 1), _now);
            _now += TimeSpan.FromSeconds(0.5);
        }
        string[] lines = _lines.Take();
        Assert.InRange(lines.Length, 5, 6);
        Assert.StartsWith("Put back 20 rules of kedge0", lines[1], StringComparison.Ordinal);

        _now += TimeSpan.FromSeconds(10);
        _log.Add("kedge0", default, _now);
        Assert.Single(_lines.Take());
        _now += TimeSpan.FromSeconds(10);
        _log.Add("kedge0", default, _now);
        Assert.Empty(_lines.Take());
    }

    private sealed class Lines : ILogger
    {
        private readonly List<string> _lines = [];

        public string[] Take()
        {
            string[] lines = [.. _lines];
            _lines.Clear();
            return lines;
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines.Add(formatter(state, exception));
    }
}
