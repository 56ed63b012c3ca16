using Kedge.Linux;
using Kedge.Linux.Udp;
using Kedge.Protocol;
using Kedge.Protocol.Ip;

namespace Kedge.SystemTests.Linux;

public class WaiterTests
{
    [Fact]
    public void A_deadline_ends_a_wait_and_not_too_early()
    {
        using Waiter waiter = new();
        Instant deadline = BootClock.Now + TimeSpan.FromMilliseconds(50);

        WaitEvents events = waiter.Wait(deadline);

        Assert.Equal(WaitEvents.DeadlinePassed, events);
        Assert.InRange(BootClock.Now - deadline, TimeSpan.Zero, Receiver.Patience);
    }

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(1)]
    public void A_deadline_that_has_passed_ends_a_wait_at_once(long ticks)
    {
        using Waiter waiter = new();

        Assert.Equal(WaitEvents.DeadlinePassed, waiter.Wait(new Instant(ticks)));
        Assert.Equal(WaitEvents.DeadlinePassed, waiter.Wait(new Instant(ticks)));
    }

    [Fact]
    public void A_wake_up_before_a_wait_ends_it_and_only_it()
    {
        using Waiter waiter = new();
        waiter.Wake();
        waiter.Wake();

        Assert.Equal(WaitEvents.Woken, waiter.Wait(Instant.Never));
        Assert.Equal(WaitEvents.DeadlinePassed, waiter.Wait(BootClock.Now));
    }

    [Fact]
    public void A_wake_up_from_another_thread_ends_a_wait_without_deadline()
    {
        using Waiter waiter = new();
        var events = WaitEvents.None;
        var waiting = new Thread(() => events = waiter.Wait(Instant.Never)) { IsBackground = true };
        waiting.Start();
        Assert.False(waiting.Join(TimeSpan.FromMilliseconds(50)));

        waiter.Wake();

        Assert.True(waiting.Join(Receiver.Patience));
        Assert.Equal(WaitEvents.Woken, events);
    }

    [Fact]
    public void Everything_that_is_there_is_told_together()
    {
        using Waiter waiter = new();
        waiter.Wake();

        Assert.Equal(WaitEvents.Woken | WaitEvents.DeadlinePassed, waiter.Wait(new Instant(1)));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void A_datagram_ends_a_wait_until_it_is_received(string host)
    {
        using UdpPort port = new(), quiet = new(), sender = new();
        using Waiter waiter = new(link: null, quiet, port);
        port.Open(0);
        quiet.Open(0);
        sender.Open(0);
        Assert.Equal(WaitEvents.DeadlinePassed, waiter.Wait(BootClock.Now));

        var destination = new Endpoint(IpAddress.Parse(host), (ushort)port.Port);
        sender.Sockets[0].Send([Batch.Datagram(destination, number: 1)]);

        Assert.Equal(WaitEvents.Readable, waiter.Wait(Instant.Never));
        Assert.Equal(1, port.Sockets[0].Receive(Batch.Of(2)));
        Assert.Equal(WaitEvents.DeadlinePassed, waiter.Wait(BootClock.Now));
    }

    [Fact]
    public void A_late_wake_up_is_harmless()
    {
        Waiter waiter = new();
        waiter.Dispose();

        waiter.Wake();
    }

    [Fact]
    public void Waiting_allocates_nothing()
    {
        using Waiter waiter = new();
        Allocations.AssertNone(() =>
        {
            waiter.Wake();
            waiter.Wait(BootClock.Now + TimeSpan.FromSeconds(1));
        });
    }

    [Fact]
    public void The_clock_is_that_of_the_kernel_since_boot()
    {
        TimeSpan uptime = Uptime();
        TimeSpan now = TimeSpan.FromTicks(BootClock.Now.Ticks);

        Assert.InRange(now, uptime - TimeSpan.FromMilliseconds(20), Uptime() + TimeSpan.FromMilliseconds(20));

        static TimeSpan Uptime() => TimeSpan.FromSeconds(
            double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture));
    }
}
