using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Kedge.Protocol;
using Kedge.Protocol.Ip;
using Kedge.Warp.Listening;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kedge.Warp.Api;

/// <summary>What the API is told.</summary>
public sealed record WarpApiSettings
{
    /// <summary>Where it answers. Beyond loopback by TLS alone, with the listener's certificate.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary>The token that every call must present.</summary>
    public required string Token { get; init; }

    /// <summary>Whether calls without a token are taken from this machine.</summary>
    public required bool AllowsLoopback { get; init; }

    /// <summary>The listener's certificate, PEM.</summary>
    public required string Certificate { get; init; }

    /// <summary>The key of that, PEM.</summary>
    public required string Key { get; init; }
}

/// <summary>The web interface of a listener: socket-warp's routes, and Kedge's own below <c>/api/v1/warps</c>.</summary>
public sealed class WarpApi : IAsyncDisposable
{
    private const int LongestBody = 64 << 10;
    private const int MostConnections = 256;

    private readonly WebApplication _app;

    private WarpApi(WebApplication app) => _app = app;

    /// <summary>Where it answers.</summary>
    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    /// <summary>Starts it.</summary>
    /// <exception cref="UserError">Its address cannot be had.</exception>
    public static async Task<WarpApi> StartAsync(WarpApiSettings settings, WarpListener listener, IpAddress publishAddress, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(settings);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { EnvironmentName = Environments.Production });
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(2));
        builder.WebHost.UseKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = LongestBody;
            options.Limits.MaxConcurrentConnections = MostConnections;
            options.Listen(settings.Listen, listen =>
            {
                if (!IPAddress.IsLoopback(settings.Listen.Address))
                    listen.UseHttps(X509Certificate2.CreateFromPemFile(settings.Certificate, settings.Key));
            });
        });
        WebApplication app = builder.Build();
        var access = new ApiAccess(settings.Token, settings.AllowsLoopback);
        var legacy = new LegacyRoutes(listener, publishAddress);
        var routes = new WarpRoutes(listener, publishAddress);
        app.Run(async context =>
        {
            bool isOwn = context.Request.Path.StartsWithSegments("/api/v1");
            try
            {
                if (access.Check(context) is { } refusal)
                {
                    if (refusal.Status == StatusCodes.Status401Unauthorized)
                        context.Response.Headers.WWWAuthenticate = "Bearer";
                    await RefuseAsync(refusal.Status, refusal.Reason);
                    return;
                }
                await (isOwn ? routes.AnswerAsync(context) : legacy.AnswerAsync(context));
            }
            catch (BadHttpRequestException e) when (!context.Response.HasStarted)
            {
                await RefuseAsync(e.StatusCode, e.Message);
            }
            catch (Exception e) when (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
            {
                string method = PrintableText.Clean(context.Request.Method), path = PrintableText.Clean(context.Request.Path);
                Log.RequestFailed(log, e, method, path);
                await RefuseAsync(StatusCodes.Status500InternalServerError, "The listener's log says what went wrong.");
            }

            Task RefuseAsync(int status, string reason) =>
                isOwn ? WarpRoutes.RefuseAsync(context, status, reason) : LegacyRoutes.AnswerAsync(context, status, reason);
        });
        try
        {
            await app.StartAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await app.DisposeAsync();
            throw new UserError($"The API cannot answer at {settings.Listen}: {e.Message} Choose another one with --api-address or --api-port.", e);
        }
        var api = new WarpApi(app);
        Log.ApiListening(log, api.Address);
        return api;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
