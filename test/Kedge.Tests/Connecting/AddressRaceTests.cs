using System.Net;
using System.Net.Sockets;
using Kedge.Node.Connecting;
using Kedge.Tests.Push;

namespace Kedge.Tests.Connecting;

/// <summary>Races on a virtual clock, between addresses that do what the test says.</summary>
public class AddressRaceTests
{
    private static readonly IPAddress Six = IPAddress.Parse("2001:db8::1"), OtherSix = IPAddress.Parse("2001:db8::2");
    private static readonly IPAddress Four = IPAddress.Parse("192.0.2.1"), OtherFour = IPAddress.Parse("192.0.2.2");
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly ManualClock _clock = new();
    private readonly List<Attempt> _attempts = [];

    [Fact]
    public async Task An_address_that_is_silent_delays_the_next_by_a_quarter_of_a_second()
    {
        Task<Connection> race = Race(Six, Four);
        Assert.Equal([Six], Tried());

        _clock.Advance(AddressRace.Stagger - TimeSpan.FromMilliseconds(1));
        Assert.Equal([Six], Tried());
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        await AwaitAttemptsAsync(2);
        Assert.Equal([Six, Four], Tried());

        Connection connection = _attempts[1].Succeed();
        Assert.Same(connection, await race);
        Assert.False(connection.IsDisposed);
        Assert.True(_attempts[0].Cancellation.IsCancellationRequested);
    }

    [Fact]
    public async Task An_address_that_fails_at_once_delays_nothing()
    {
        Task<Connection> race = Race(Six, Four);
        _attempts[0].Fail(SocketError.NetworkUnreachable);
        await AwaitAttemptsAsync(2);

        Assert.Same(_attempts[1].Succeed(), await race);
    }

    [Fact]
    public async Task The_first_address_may_still_win_when_the_second_has_begun()
    {
        Task<Connection> race = Race(Six, Four);
        _clock.Advance(AddressRace.Stagger);
        await AwaitAttemptsAsync(2);
        Connection slow = _attempts[0].Succeed();
        Assert.Same(slow, await race);
        Assert.True(_attempts[1].Cancellation.IsCancellationRequested);

        Connection late = _attempts[1].Succeed(); // in spite of its cancellation
        while (!late.IsDisposed)
            await Task.Yield();
        Assert.False(slow.IsDisposed);
    }

    [Fact]
    public async Task When_all_fail_each_address_is_named_with_what_it_said()
    {
        Task<Connection> race = Race(Six, Four);
        _attempts[0].Fail(SocketError.NetworkUnreachable);
        await AwaitAttemptsAsync(2);
        _attempts[1].Fail(SocketError.ConnectionRefused);

        ConnectException failure = await Assert.ThrowsAsync<ConnectException>(() => race);
        Assert.Equal("2001:db8::1: Network is unreachable; 192.0.2.1: Connection refused", failure.Message);
        Assert.Null(failure.Error);
    }

    [Fact]
    public async Task An_error_that_all_addresses_have_in_common_can_be_told_apart()
    {
        Task<Connection> race = Race(Six, Four);
        _attempts[0].Fail(SocketError.ConnectionRefused);
        await AwaitAttemptsAsync(2);
        _attempts[1].Fail(SocketError.ConnectionRefused);

        Assert.Equal(SocketError.ConnectionRefused, (await Assert.ThrowsAsync<ConnectException>(() => race)).Error);
    }

    [Fact]
    public async Task Addresses_that_never_answer_are_given_up_and_named()
    {
        Task<Connection> race = Race(Six, Four);
        _attempts[0].Fail(SocketError.ConnectionRefused);
        await AwaitAttemptsAsync(2);
        _clock.Advance(Patience);

        ConnectException failure = await Assert.ThrowsAsync<ConnectException>(() => race);
        Assert.Equal("2001:db8::1: Connection refused; 192.0.2.1 does not answer", failure.Message);
        Assert.Null(failure.Error);
    }

    [Fact]
    public async Task Who_cancels_it_gets_a_cancellation_and_no_connection()
    {
        using var cancellation = new CancellationTokenSource();
        Task<Connection> race = AddressRace.RunAsync([Six, Four], ConnectAsync, Patience, _clock, cancellation.Token);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => race);
        Assert.True(_attempts[0].Cancellation.IsCancellationRequested);
    }

    [Fact]
    public void Families_take_turns_beginning_with_that_of_the_first_address()
    {
        Assert.Equal([Six, Four, OtherSix, OtherFour], AddressRace.Alternate([Six, OtherSix, Four, OtherFour]));
        Assert.Equal([Four, Six, OtherFour], AddressRace.Alternate([Four, OtherFour, Six]));
        Assert.Equal([Four], AddressRace.Alternate([Four]));
    }

    [Fact]
    public async Task A_name_that_cannot_be_resolved_is_named()
    {
        ConnectException failure = await Assert.ThrowsAsync<ConnectException>(
            () => HostConnector.ConnectAsync("nowhere.invalid", 8443, prepare: null, TestContext.Current.CancellationToken));

        Assert.StartsWith("cannot resolve nowhere.invalid: ", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Resource temporarily unavailable", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_socket_is_prepared_before_it_connects()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        bool? wasConnected = null;

        await using Stream stream = await HostConnector.ConnectAsync(
            "127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port, socket => wasConnected = socket.Connected, TestContext.Current.CancellationToken);

        Assert.False(wasConnected);
        Assert.True(stream.CanRead);
    }

    private Task<Connection> Race(params IPAddress[] addresses) =>
        AddressRace.RunAsync(addresses, ConnectAsync, Patience, _clock, TestContext.Current.CancellationToken);

    private Task<Connection> ConnectAsync(IPAddress address, CancellationToken cancellation)
    {
        var attempt = new Attempt(address, cancellation);
        lock (_attempts)
            _attempts.Add(attempt);
        return attempt.Task;
    }

    private IEnumerable<IPAddress> Tried()
    {
        lock (_attempts)
            return [.. _attempts.Select(attempt => attempt.Address)];
    }

    private async Task AwaitAttemptsAsync(int count)
    {
        while (Tried().Count() < count)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    private sealed class Connection : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }

    private sealed class Attempt(IPAddress address, CancellationToken cancellation)
    {
        private readonly TaskCompletionSource<Connection> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IPAddress Address { get; } = address;

        public CancellationToken Cancellation { get; } = cancellation;

        public Task<Connection> Task => _result.Task;

        public Connection Succeed()
        {
            var connection = new Connection();
            _result.SetResult(connection);
            return connection;
        }

        public void Fail(SocketError error) => _result.SetException(new SocketException((int)error));
    }
}
