using System.Security.Cryptography;
using Kedge.Demo;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Quic;
using Kedge.Protocol.Ip;
using Kedge.Protocol.Warp;
using Kedge.Threading;

namespace Kedge.SystemTests.Warp;

/// <summary>Who is let in, and which of two that have one uid.</summary>
public sealed class AdmissionTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly List<WarpLab> _labs = [];

    public void Dispose() => _labs.ForEach(lab => lab.Dispose());

    [Fact]
    public void A_certificate_that_is_of_another_authority_or_has_expired_or_is_for_another_purpose_is_refused_with_the_reason()
    {
        WarpLab lab = Create();
        using var other = new WarpAuthority(lab.Folder, "other");

        RunningProcess stranger = lab.StartConnector(other.Connector("dev1") with { Authority = lab.Authority.File });
        lab.Listener.WaitForLine("not of an authority that is trusted here", Limit);
        stranger.WaitForLine("does not accept this connector's certificate", Limit);

        lab.StartConnector(lab.Authority.Connector("dev1", TimeSpan.FromDays(-1)));
        lab.Listener.WaitForLine("its certificate expired on", Limit);

        lab.StartConnector(lab.ListenerFiles);
        lab.Listener.WaitForLine("its certificate is for another purpose", Limit);
        Assert.DoesNotContain("is there, from", lab.Listener.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_revoked_connector_is_refused_and_one_that_is_there_goes_when_the_list_is_read_anew()
    {
        WarpLab lab = Create();
        WarpFiles files = lab.Authority.Connector("dev1");
        string list = lab.Authority.Revoke(lab.Authority.Connector("nobody"));
        lab.Listener.Stop();
        lab.StartListener(0, 0, "--crl", list);
        RunningProcess connector = lab.StartConnector(files);
        connector.WaitForLine("Connected to", Limit);

        lab.Authority.Revoke(files);
        lab.Listener.Signal(ProcessSignal.HangUp);

        lab.Listener.WaitForLine("Connector dev1 is gone: its certificate was revoked", Limit);
        connector.WaitForLine("the listener does not accept this connector's certificate", Limit);
    }

    [Fact]
    public void Certificates_that_are_read_anew_drop_no_connection()
    {
        WarpLab lab = Create();
        RunningProcess connector = lab.Connect("dev1");

        lab.Listener.Signal(ProcessSignal.HangUp);
        lab.Listener.WaitForLine("Certificates were read anew", Limit);
        connector.Signal(ProcessSignal.HangUp);
        connector.WaitForLine("Certificates were read anew", Limit);
        lab.Connect("dev2");

        Assert.DoesNotContain("dev1 is gone", lab.Listener.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_listener_that_is_certified_for_another_name_is_not_believed()
    {
        WarpLab lab = Create();
        RunningProcess connector = lab.StartConnectorFor("elsewhere.example", lab.Authority.Connector("dev1"));

        connector.WaitForLine("the listener is not believed: its certificate is not for elsewhere.example", Limit);
        Assert.DoesNotContain("Connected to", connector.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_second_of_a_uid_is_refused_while_the_first_answers_and_let_in_when_it_does_not()
    {
        WarpLab lab = Create();
        WarpFiles files = lab.Authority.Connector("dev1");
        RunningProcess first = lab.StartConnector(files);
        first.WaitForLine("Connected to", Limit);

        RunningProcess second = lab.StartConnector(files);
        second.WaitForLine("another connector has the uid 'dev1'", Limit);
        Assert.DoesNotContain("dev1 is gone", lab.Listener.Error, StringComparison.Ordinal);

        first.Signal(ProcessSignal.Kill);
        second.WaitForLine("Connected to", Limit);
    }

    [Fact]
    public void Without_a_certificate_nobody_is_let_in()
    {
        WarpLab lab = Create();
        using var credentials = new QuicCredentials([], []);

        QuicEnd end = Dial(lab, credentials, hello: null);

        const ulong CertificateRequired = 256 + 116, BadCertificate = 256 + 42;
        Assert.Equal(QuicEndKind.FailedAtPeer, end.Kind);
        Assert.True(end.Code is CertificateRequired or BadCertificate, $"{end}");
    }

    [Fact]
    public void A_uid_that_is_not_the_certificates_is_refused()
    {
        WarpLab lab = Create();
        WarpFiles files = lab.Authority.Connector("dev1");
        using var credentials = new QuicCredentials(File.ReadAllBytes(files.Certificate), File.ReadAllBytes(files.Key));

        Assert.Equal(new QuicEnd(QuicEndKind.ClosedByPeer, (ulong)WarpRefusal.UidNotCertified, "its certificate is for the uid 'dev1', not 'dev2'"), Dial(lab, credentials, WarpFrame.Hello("dev2")));
        Assert.Equal((ulong)WarpRefusal.NoHello, Dial(lab, credentials, RandomNumberGenerator.GetBytes(1000)).Code);
        Assert.Equal((ulong)WarpRefusal.NoHello, Dial(lab, credentials, null).Code);
    }

    private WarpLab Create()
    {
        var lab = new WarpLab();
        _labs.Add(lab);
        return lab;
    }

    /// <summary>Connects as somebody who says this, and returns how that ended.</summary>
    private static QuicEnd Dial(WarpLab lab, QuicCredentials credentials, byte[]? hello)
    {
        using var loop = new EventLoop();
        var events = new Stranger(hello, loop);
        var endpoint = new QuicEndpoint(loop, Endpoint.Parse("127.0.0.1:0"), new QuicSettings { Protocols = [WarpProtocol.Current] }, events);
        endpoint.Connect(new Endpoint(IpAddress.Parse("127.0.0.1"), (ushort)lab.QuicPort), credentials, "localhost");
        DedicatedThread.RunAsync("stranger", loop.Run).WaitAsync(Limit).GetAwaiter().GetResult();
        return events.End;
    }

    /// <summary>Believes anybody, says something, and waits for the end.</summary>
    private sealed class Stranger(byte[]? hello, EventLoop loop) : IQuicEvents
    {
        public QuicEnd End { get; private set; }

        public bool Verify(QuicConnection connection, IReadOnlyList<byte[]> certificates) => true;

        public void OnConnected(QuicConnection connection)
        {
            if (hello is not null)
                connection.OpenStream()!.Write(hello);
        }

        public void OnStream(QuicStream stream)
        {
        }

        public void OnReceived(QuicStream stream)
        {
        }

        public void OnStreamEnded(QuicStream stream)
        {
        }

        public void OnStreamsAllowed(QuicConnection connection)
        {
        }

        public void OnClosed(QuicConnection connection, QuicEnd end)
        {
            End = end;
            loop.Stop();
        }
    }
}
