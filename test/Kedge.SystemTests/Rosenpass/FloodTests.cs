using System.Diagnostics;
using System.Globalization;
using Kedge.Demo;
using Kedge.SystemTests.Abuse;
using Kedge.SystemTests.Interop;

namespace Kedge.SystemTests.Rosenpass;

/// <summary>
/// What strangers can send to a key exchange while it renews keys for a tunnel in use: no packet of the tunnel is dropped, the work stays
/// within its budget, memory does not grow, and genuine ends have their keys renewed.
/// </summary>
public sealed class FloodTests(AttackedExchange exchange) : IClassFixture<AttackedExchange>
{
    private const int Seed = 20_2611, Addresses = 10_000, PerSecond = 5_000;
    private const long GreatestGrowth = 32 << 20;

    private static readonly TimeSpan TrafficTime = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan FloodTime = TimeSpan.FromSeconds(6);

    // Two handshakes take a tenth of that.
    private static readonly TimeSpan LeastWork = TimeSpan.FromMilliseconds(100);

    private readonly Random _random = new(Seed);

    /// <summary>
    /// Peers of releases are known by their addresses: nothing else tells them from strangers. Those of the development version can prove
    /// that an address is theirs, and get through from anywhere.
    /// </summary>
    [Theory]
    [InlineData(null, "192.0.2.2:9999")]
    [InlineData("V02", null)]
    public async Task Keys_are_renewed_under_a_flood_of_first_messages_and_no_packet_is_dropped(string? version, string? endpointOfThere)
    {
        string before = exchange.Here.PresharedKey;
        exchange.Here.Configure(exchange.There, endpointOfThere, version);
        exchange.There.Configure(exchange.Here, "192.0.2.1:9999", version);
        using RunningProcess here = exchange.Here.Start();
        here.WaitForLine("Exchanges keys", Timeouts.Soon);
        int size = version is null ? ForgedMessages.InitHelloSize : ForgedMessages.InitHelloSize - 32;
        byte[][] hellos =
            [.. Enumerable.Range(0, 1000).Select(_ => exchange.Forged.Signed(_random, ForgedMessages.InitHello, size))];
        long memory = ProcessFigures.Memory(here.ProcessId);
        TimeSpan work = ProcessFigures.CpuTime(here.ProcessId);

        exchange.TakeAnswers(); // of the test before
        TunnelTraffic traffic = TunnelTraffic.Start(exchange.Tunnel, TrafficTime);
        long start = Stopwatch.GetTimestamp();
        Task<(int Sent, int Answers)> flood = Task.Run(() => Flood(hellos, start));
        using RunningProcess there = exchange.There.Start();
        string key = exchange.AwaitSameKey(before);
        there.Kill();
        using RunningProcess again = exchange.There.Start();
        exchange.AwaitSameKey(before: key);
        (int sent, int answers) = await flood;

        TimeSpan taken = Stopwatch.GetElapsedTime(start);
        work = ProcessFigures.CpuTime(here.ProcessId) - work;
        long growth = ProcessFigures.Memory(here.ProcessId) - memory;
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{sent} messages, {answers} answered, in {taken.TotalSeconds:0.0} s (seed {Seed}): "
            + $"{work.TotalSeconds:0.00} s of CPU, {growth >> 10} KB more"));
        Assert.Equal(version is not null, answers > 0); // cookies
        Assert.True(work > LeastWork, $"{work.TotalSeconds:0.00} s of CPU: that was no flood");
        Assert.True(work < taken / 2, $"{work.TotalSeconds:0.00} s of CPU in {taken.TotalSeconds:0.0} s");
        Assert.True(growth < GreatestGrowth, $"the process has grown by {growth >> 20} MB");
        await traffic.AssertNothingDroppedAsync();
    }

    [Fact]
    public void What_is_no_message_or_was_one_before_changes_nothing()
    {
        string before = exchange.Here.PresharedKey;
        exchange.Here.Configure(exchange.There, endpoint: null, version: null);
        exchange.There.Configure(exchange.Here, "192.0.2.1:9999", version: null);
        using Capture cable = Capture.Start(exchange.Tunnel.Kedge.Host, "eth0", $"udp port {ExchangeEnd.Port}");
        using RunningProcess here = exchange.Here.Start(), there = exchange.There.Start();
        string key = exchange.AwaitSameKey(before);
        cable.WaitUntil(packets => packets.Any(packet => packet.MessageType == ForgedMessages.EmptyData), Timeouts.Soon, "four messages");
        byte[][] seen = [.. cable.Packets.Select(packet => packet.Datagram.ToArray())];
        long memory = ProcessFigures.Memory(here.ProcessId);

        byte[] types =
        [
            ForgedMessages.InitHello, ForgedMessages.RespHello, ForgedMessages.InitConf, ForgedMessages.EmptyData,
            ForgedMessages.CookieReply, 0x85, 1,
        ];
        byte[][] ofAnySize =
            [.. types.SelectMany(type => Enumerable.Range(0, 1200).Select(size => ForgedMessages.Junk(_random, type, size)))];
        byte[][] signed =
        [
            .. Enumerable.Range(0, 200).SelectMany(_ => (byte[][])[
                exchange.Forged.Signed(_random, ForgedMessages.InitHello, ForgedMessages.InitHelloSize),
                exchange.Forged.Signed(_random, ForgedMessages.RespHello, ForgedMessages.RespHelloSize),
                exchange.Forged.Signed(_random, ForgedMessages.InitConf, ForgedMessages.InitConfSize),
                exchange.Forged.Signed(_random, ForgedMessages.EmptyData, ForgedMessages.EmptyDataSize)]),
        ];
        byte[][] again = [.. Enumerable.Repeat(seen.Reverse(), 200).SelectMany(messages => messages)];
        foreach (byte[][] messages in (byte[][][])[ofAnySize, signed])
            exchange.Send(messages, Addresses, PerSecond);
        int answers = exchange.Send(again, Addresses, PerSecond);
        Assert.True(answers > 0, "The responder keeps nothing by which to know an InitHello again.");

        // The next key, and no other, comes when all that has been judged.
        there.Kill();
        using RunningProcess restarted = exchange.There.Start();
        exchange.AwaitSameKey(before: key);
        Wait.Until(() => Exchanged(here) >= 2, Timeouts.Soon, "the second key's line");
        Assert.Equal(2, Exchanged(here));
        long growth = ProcessFigures.Memory(here.ProcessId) - memory;
        Assert.True(growth < GreatestGrowth, $"the process has grown by {growth >> 20} MB");
    }

    private static int Exchanged(RunningProcess exchange) => exchange.Output.Split(" exchanged\n").Length - 1;

    private (int Sent, int Answers) Flood(byte[][] messages, long start)
    {
        int sent = 0, answers = 0;
        for (; Stopwatch.GetElapsedTime(start) < FloodTime; sent += messages.Length)
            answers += exchange.Send(messages, Addresses, PerSecond);
        return (sent, answers);
    }
}
