using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Kedge.Crypto;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Api;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Mesh;

namespace Kedge.SystemTests.Control;

/// <summary>A node as the controller knows it: an identity and a connection, but no interface. Disposing closes the connection.</summary>
internal sealed class EnrolledNode : IAsyncDisposable
{
    private readonly ECDsa _identity;
    private readonly byte[] _certificate;
    private readonly CancellationTokenSource _ending = new();
    private readonly Channel<(NetworkMap Map, MapOutcome Outcome, long At)> _frames =
        Channel.CreateUnbounded<(NetworkMap, MapOutcome, long)>();

    private Task _reading = Task.CompletedTask;

    private EnrolledNode(ControllerAddress controller, ECDsa identity, EnrolmentResult joined)
    {
        (Id, _identity, _certificate) = (joined.NodeId, identity, Convert.FromBase64String(joined.Certificate!));
        Client = new ControllerClient(controller, _certificate, identity, TimeProvider.System);
    }

    public Guid Id { get; }

    public ControllerClient Client { get; }

    /// <summary>The certificate with its key; the caller's.</summary>
    public X509Certificate2 Certificate
    {
        get
        {
            using X509Certificate2 bare = X509CertificateLoader.LoadCertificate(_certificate);
            return bare.CopyWithPrivateKey(_identity);
        }
    }

    /// <summary>Joins a controller's default zone.</summary>
    public static async Task<EnrolledNode> JoinAsync(HttpClient administrator, string name)
    {
        CreatedToken token = await administrator.ReadAsync<CreatedToken>(HttpMethod.Post, "/api/v1/tokens", new TokenCreation());
        JoinLine line = JoinLine.Parse(token.JoinLine);
        var controller = new ControllerAddress(new Uri(line.Url), line.Network, line.Pin);
        ECDsa identity = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] wireGuard = RandomNumberGenerator.GetBytes(X25519.KeySize), publicKey = new byte[X25519.KeySize];
        X25519.PublicKey(wireGuard, publicKey);
        var request = new EnrolmentRequest
        {
            Name = name,
            IdentityKey = Convert.ToBase64String(identity.ExportSubjectPublicKeyInfo()),
            WireGuardKey = Convert.ToBase64String(publicKey),
        };
        using var stranger = new ControllerClient(controller, null, null, TimeProvider.System);
        EnrolmentResult joined = await stranger.EnrolAsync(request, line.Token, identity, wireGuard, TestContext.Current.CancellationToken);
        return new EnrolledNode(controller, identity, joined);
    }

    /// <summary>Opens the map stream, and reads it until the end.</summary>
    /// <param name="peers">How many peers to wait for.</param>
    public async Task FollowAsync(int peers)
    {
        _reading = Task.Run(ReadAsync);
        await WaitForAsync((map, _) => map.Peers.Count >= peers);
    }

    /// <summary>Waits for a frame of the stream.</summary>
    /// <param name="isIt">Tells by the map after the frame, and by what the frame has done.</param>
    /// <returns>When it came, as a timestamp of <see cref="Stopwatch"/>.</returns>
    public async Task<long> WaitForAsync(Func<NetworkMap, MapOutcome, bool> isIt)
    {
        using var patience = new CancellationTokenSource(ControllerProcess.Patience);
        while (true)
        {
            (NetworkMap map, MapOutcome outcome, long at) = await _frames.Reader.ReadAsync(patience.Token);
            bool isFound;
            lock (map)
                isFound = isIt(map, outcome);
            if (isFound)
                return at;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _reading;
        Client.Dispose();
        _identity.Dispose();
        _ending.Dispose();
    }

    private async Task ReadAsync()
    {
        var map = new NetworkMap(Id);
        try
        {
            await foreach (ReadOnlyMemory<byte> line in Client.WatchAsync(map.Position, _ending.Token))
            {
                long at = Stopwatch.GetTimestamp();
                MapOutcome outcome;
                lock (map)
                    outcome = map.Apply(line.Span);
                _frames.Writer.TryWrite((map, outcome, at));
            }
        }
        catch (OperationCanceledException)
        {
            // That is how it ends.
        }
        finally
        {
            _frames.Writer.TryComplete();
        }
    }
}
